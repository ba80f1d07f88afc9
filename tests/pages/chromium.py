"""Headless Chromium, driven over its debugging pipe.

Knows the Chrome DevTools Protocol as far as opening a page, asking it questions and taking its picture, and needs
nothing but the standard library (the pipe speaks JSON; only the port would need a WebSocket). Must not know what is
on a page.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-proxy-server", "--force-device-scale-factor=1", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip

# `deep`: everything below a root that matches, through shadow roots and frames of the same origin. `inside`: the
# same, below elements that match a first selector. `shown`: those that take up room. `words`: all the text of an
# element. `box`: its place in the picture.
_DEEP = """
function deep(selector, root = document) {
  const found = [...root.querySelectorAll(selector)];
  for (const element of [root, ...root.querySelectorAll('*')]) {
    if (element.shadowRoot) found.push(...deep(selector, element.shadowRoot));
    if (element.contentDocument) found.push(...deep(selector, element.contentDocument));
  }
  return found;
}
function inside(outer, inner) {
  return [...new Set(deep(outer).flatMap(element => deep(inner, element)))];
}
function shown(elements) {
  if (typeof elements === 'string') elements = deep(elements);
  return elements.filter(element => element.getClientRects().length > 0);
}
function words(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (['STYLE', 'SCRIPT', 'TEMPLATE', 'DOM-MODULE'].includes(node.nodeName)) return '';
  const text = [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.childNodes].map(words).join(' ');
  return text.replace(/\\s+/g, ' ').trim();
}
function box(element) {
  const box = element.getBoundingClientRect().toJSON();
  for (let frame; (frame = element.ownerDocument.defaultView.frameElement); element = frame) {
    const outer = frame.getBoundingClientRect();
    box.x += outer.x;
    box.y += outer.y;
  }
  return box;
}
"""


class PageError(AssertionError):
    """The browser did not start, or a page never came to show what it should."""


def executable() -> str | None:
    """Path of Chromium or Chrome, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Page:
    """One tab. Its complaints (uncaught exceptions, failed requests) are in `errors`."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.errors: list[str] = []

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, session=self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        """Give the page that many pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, url: str) -> None:
        self.errors.clear()
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """Value of a JavaScript expression, which can use the functions of `_DEEP`."""
        source = f"(() => {{ {_DEEP}; return {expression}; }})()"
        answer = self._call("Runtime.evaluate", expression=source, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            detail = answer["exceptionDetails"]
            raise PageError(f"{expression}: {detail.get('exception', {}).get('description', detail['text'])}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 30) -> Any:
        """Ask until the answer is truthy; `PageError` with the last answer after `seconds`."""
        end = time.monotonic() + seconds
        while not (answer := self.ask(expression)):
            if time.monotonic() > end:
                raise PageError(f"after {seconds} s: {expression} is {answer!r}; complaints: {self.errors}")
            time.sleep(0.1)
        return answer

    def click(self, expression: str) -> None:
        """Click the element that a JavaScript expression gives."""
        self.wait_for(f"(() => {{ const it = {expression}; if (it) it.click(); return !!it; }})()")

    def settle(self, seconds: float = 20) -> None:
        """Wait until two pictures half a second apart are the same: animations are over."""
        end = time.monotonic() + seconds
        before = b""
        while (now := self._picture()) != before:
            if time.monotonic() > end:
                raise PageError(f"the page still moves after {seconds} s")
            before = now
            time.sleep(0.5)

    def _picture(self) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def screenshot(self, path: Path) -> bytes:
        """Write the viewport's picture to `path` and return the PNG."""
        data = self._picture()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return data

    def _event(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            detail = parameters["exceptionDetails"]
            self.errors.append(detail.get("exception", {}).get("description") or detail["text"])
        elif method == "Network.responseReceived" and parameters["response"]["status"] >= 400:
            self.errors.append(f"{parameters['response']['status']} {parameters['response']['url']}")


class Browser:
    """A running Chromium."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, back: int) -> None:
        self._process = process
        self._to = to
        self._back = back
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def page(self) -> Page:
        """A new tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable", session=session)
        return page

    def call(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """A command's result; events that arrive meanwhile go to their page. `PageError` on an error or after 60 s."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while True:
            answer = self._receive(end, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']}")
                return answer["result"]
            if (page := self._pages.get(answer.get("sessionId", ""))) and "method" in answer:
                page._event(answer["method"], answer["params"])

    def _receive(self, end: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._back], [], [], max(0, end - time.monotonic()))[0]:
                raise PageError(f"no answer to {method} within a minute")
            data = os.read(self._back, 1 << 20)
            if not data:
                raise PageError(f"Chromium ended with status {self._process.wait()} during {method}")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def browse() -> Iterator[Browser]:
    """Run Chromium with a profile of its own; it ends with the context, or with this process."""
    program = executable()
    if program is None:
        raise PageError("no Chromium here; Debian's package is chromium")
    read_commands, to = os.pipe()
    back, write_answers = os.pipe()
    with tempfile.TemporaryDirectory(prefix="pages-", ignore_cleanup_errors=True) as profile:
        # The pipe must be on descriptors 3 and 4 of the browser; the shell puts it there.
        command = f'exec "$@" 3<&{read_commands} 4>&{write_answers}'
        flags = (*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}")
        process = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *flags, "about:blank"],
            pass_fds=(read_commands, write_answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_commands)
        os.close(write_answers)
        try:
            yield Browser(process, to, back)
        finally:
            os.close(to)
            os.close(back)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
