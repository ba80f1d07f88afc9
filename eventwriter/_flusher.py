"""The flush thread: one for the process, shared by every writer in it.

Knows: streams that have something pending and when each is due; fork; interpreter exit. The only module with a
thread. Must not know: what a stream writes or where.

Nothing here takes a lock that the flush thread holds while it works: callers append to a deque and release a
binary semaphore, both one C call, so that any of it may run in a signal handler, in `__del__` or in a GC callback.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from typing import Protocol

from eventwriter import _log

# The interpreter's exit waits at most this long for a disk, in seconds.
EXIT_TIMEOUT = 5.0


class _Ring(Protocol):
    @property
    def closed(self) -> bool: ...
    def is_empty(self) -> bool: ...
    def arm(self) -> bool: ...


class Stream(Protocol):
    """What the flush thread drains."""

    flush_secs: float
    rests: bool

    @property
    def ring(self) -> _Ring: ...
    @property
    def failing(self) -> bool: ...
    @property
    def drained(self) -> bool: ...
    def drain(self) -> float | None: ...
    def is_in_my_way(self) -> bool: ...
    def after_fork_in_child(self) -> None: ...
    @property
    def path(self) -> str: ...
    def at_exit(self) -> int: ...


class _Barrier:
    """A flush() that waits: `done` is released when what was pending at the time has been dealt with."""

    __slots__ = ("done", "ok", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.ok = False
        self.done = _thread.allocate_lock()
        self.done.acquire()


class Flusher:
    """Drains streams that were woken, `flush_secs` after their first event or at once if asked to."""

    def __init__(self) -> None:
        self._all: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._exiting = False
        self._reset()

    def _reset(self) -> None:
        self._wakeup = _thread.allocate_lock()
        self._wakeup.acquire()
        self._inbox: deque[tuple[Stream, float] | _Barrier] = deque()
        self._ident: int | None = None
        self._starting = threading.RLock()
        self._finalizer: object = None

    # ---- the callers' side

    def add(self, stream: Stream) -> None:
        """Let `stream` be drained at exit and emptied in a forked child."""
        self._all.add(stream)

    def wake(self, stream: Stream, within: float) -> None:
        """`stream` has something pending, to be written within so many seconds."""
        if self._exiting:
            self._drain_here(stream)
            return
        self._inbox.append((stream, within))
        self._notify()

    def flush(self, stream: Stream, timeout: float | None) -> bool:
        """Wait until everything pending in `stream` is written. False at the timeout, or if its disk is failing."""
        if self.is_this_thread():
            return False  # called by something that runs on the flush thread itself, which cannot wait for itself
        if stream.is_in_my_way():
            return False  # called by a signal handler in the middle of a write
        if self._exiting:
            stream.drain()
            return stream.drained
        barrier = _Barrier(stream)
        self._inbox.append(barrier)
        self._notify()
        return barrier.done.acquire(timeout=-1 if timeout is None else max(0.0, timeout)) and barrier.ok

    def flush_within(self, stream: Stream, timeout: float | None) -> bool:
        """Like `flush`, but a disk that fails is tried again until the timeout."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.flush(stream, None if end is None else end - time.monotonic()):
            if not stream.failing or self.is_this_thread() or (end is not None and time.monotonic() > end):
                return False
            time.sleep(_PAUSE)
        return True

    def is_this_thread(self) -> bool:
        """The caller runs on the flush thread, which must not wait for itself."""
        return threading.get_ident() == self._ident

    def _notify(self) -> None:
        if self._ident is None:
            self._start()
        try:
            self._wakeup.release()
        except RuntimeError:
            pass  # already released: the thread will look

    def _start(self) -> None:
        try:
            # Not threading.Thread: its start() takes locks that a signal handler or `__del__` may interrupt.
            with self._starting:
                if self._ident is None:
                    self._ident = _thread.start_new_thread(self._run, ())
        except RuntimeError:  # the interpreter is shutting down, or no thread is to be had (a limit): next time, maybe
            self._drain_inbox_here()
            return
        # atexit handlers do not run in multiprocessing's children, its finalizers do.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            self._finalizer = util.Finalize(None, self.finish, exitpriority=0)

    def _drain_inbox_here(self) -> None:
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, _Barrier):
                self._drain_here(entry.stream)
                entry.ok = entry.stream.drained
                entry.done.release()
            else:
                self._drain_here(entry[0])

    @staticmethod
    def _drain_here(stream: Stream) -> None:
        """There is no thread: write in the caller's, and have the next row come here too."""
        while stream.drain() is None and not stream.ring.arm():
            pass  # a row was added meanwhile

    # ---- the thread

    def _run(self) -> None:
        due: dict[Stream, float] = {}
        quiet: dict[Stream, int] = {}
        barriers: list[_Barrier] = []
        while True:
            wait = max(0.0, min(due.values()) - time.monotonic()) if due else -1.0
            self._wakeup.acquire(timeout=min(wait, threading.TIMEOUT_MAX))
            try:
                self._round(due, quiet, barriers)
            except BaseException:  # somebody's sys.exit() in a callback, say: the thread must live on for the others
                self._report("the flush thread goes on after this")

    def _round(self, due: dict[Stream, float], quiet: dict[Stream, int], barriers: list[_Barrier]) -> None:
        """Drain what is due. A method, so that a thread that waits holds no stream in a variable."""
        now = time.monotonic()
        while self._inbox:
            entry = self._inbox.popleft()
            if isinstance(entry, _Barrier):
                barriers.append(entry)
                due[entry.stream] = now
                continue
            stream, within = entry
            if stream in due and stream.failing:
                continue  # it has its own idea of when to try again
            due[stream] = min(due.get(stream, now + within), now + within)
            quiet.pop(stream, None)
        for stream in [s for s, at in due.items() if at <= now]:
            was_idle = stream.ring.is_empty()
            again = self._drain_one(stream)
            if stream.drained or stream.failing:
                for barrier in [b for b in barriers if b.stream is stream]:
                    barrier.ok = stream.drained
                    barrier.done.release()
                    barriers.remove(barrier)
            if not stream.drained:
                due[stream] = time.monotonic() + (again or 0.0)
                continue
            if stream.rests and stream.flush_secs <= _SHORT and not (was_idle or stream.ring.closed):
                # There was something and there will be more: come again in time, unasked. To wake this thread, of a
                # sleeping CPU perhaps, is most of what the first row after a while would cost its caller.
                due[stream] = time.monotonic() + stream.flush_secs
                quiet.pop(stream, None)
                continue
            # Idle, unless a row was added since. A thread that was stopped between looking `append` up and calling
            # it adds a row that wakes nobody: look once more, later, before forgetting the stream.
            rounds = quiet.get(stream, 0)
            if not stream.ring.arm():
                due[stream] = time.monotonic() + stream.flush_secs
            elif again is not None:
                due[stream] = time.monotonic() + again
            elif rounds < len(_LOOK_AGAIN) and not stream.ring.closed:
                quiet[stream] = rounds + 1
                due[stream] = time.monotonic() + _LOOK_AGAIN[rounds]
            else:
                del due[stream]
                quiet.pop(stream, None)

    def _drain_one(self, stream: Stream) -> float | None:
        try:
            return stream.drain()
        except BaseException:
            self._report("the flush thread could not write; it tries again")
            return 1.0

    @staticmethod
    def _report(text: str) -> None:
        try:
            _log.exception(text)
        except BaseException:  # noqa: S110 -- a logging handler that exits; there is nobody left to tell
            pass

    # ---- fork and exit

    def finish(self) -> None:
        """At interpreter exit: write everything pending, waiting at most `EXIT_TIMEOUT` seconds in all."""
        if self._exiting:
            return
        deadline = time.monotonic() + EXIT_TIMEOUT
        waiting = list(self._all)
        while waiting := [s for s in waiting if not self.flush(s, max(0.0, deadline - time.monotonic()))]:
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        # From here on a daemon thread that still logs writes through.
        self._exiting = True
        for stream in list(self._all):
            stream.ring.arm()
            # Not what could not be flushed: its disk may stand still, and a write here would be for ever.
            if not stream.failing and not any(stream is s for s in waiting):
                stream.drain()
            left = stream.at_exit()
            if left:
                _log.error("%s: the program ends with %d events not written", stream.path, left)

    def after_fork_in_child(self) -> None:
        """The parent keeps what is pending, the thread and the files; the child begins with nothing."""
        self._exiting = False
        self._reset()
        for stream in list(self._all):
            stream.after_fork_in_child()


_LOOK_AGAIN = (0.25, 5.0)
# A stream that is drained more seldom than that, in seconds, wakes the thread: coming unasked would keep a stream
# alive that nobody uses any more.
_SHORT = 1.0
# Between two tries of a disk that fails while somebody waits for it, in seconds.
_PAUSE = 0.05

flusher = Flusher()
atexit.register(flusher.finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=flusher.after_fork_in_child)
