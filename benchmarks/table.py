"""Plain-text tables, and the versions printed above them. Must not know what is measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DISTRIBUTIONS = (
    "eventwriter", "torch", "tensorflow", "tensorflow-cpu", "tensorboard", "tensorboardX", "numpy", "protobuf",
    "crc32c", "isal",
)  # fmt: skip


def render(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, the others to the right; columns of no row's interest stay narrow."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    drawn = [
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    rule = "-" * max(map(len, drawn))
    return "\n".join([title, rule, drawn[0].rstrip(), rule, *(line.rstrip() for line in drawn[1:]), ""])


def number(value: float | None, digits: int = 3) -> str:
    """About `digits` significant digits, no exponent; an em dash for None."""
    if value is None:
        return "—"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    decimals = digits - 1
    while size >= 10 and decimals > 0:
        size /= 10
        decimals -= 1
    return f"{value:.{decimals}f}"


def times(value: float | None) -> str:
    """A ratio as 2.1× or 1/35."""
    if value is None:
        return "—"
    if value <= 0:
        return "≤0"
    return f"{number(value, 2)}×" if value >= 0.95 else f"1/{number(1 / value, 2)}"


def versions() -> dict[str, str]:
    """Interpreter, distributions and machine."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "eventwriter" not in found:
        found["eventwriter"] = f"checkout {_commit()}"
    found["system"] = f"{platform.system()} {platform.release()}"
    found["cpus"] = f"{len(os.sched_getaffinity(0))} of {_processor()}"
    found["load average"] = f"{os.getloadavg()[0]:.1f} before the start: what else runs makes everything slower"
    found["switch interval"] = f"{sys.getswitchinterval() * 1000:g} ms"
    return found


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "without a commit"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
