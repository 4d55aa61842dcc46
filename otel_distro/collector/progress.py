"""Shows that long work goes on: the step and the time it takes."""

import sys
import threading
import time
from types import TracebackType
from typing import Final, Self, TextIO

_TERMINAL_INTERVAL_S: Final = 1.0
_LOG_INTERVAL_S: Final = 15.0


class Progress:
    """A line with the current step and the seconds elapsed.

    On a terminal the line is redrawn each second; elsewhere a line is written for each step
    and every 15 s, so that logs stay readable.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._redraw = stream.isatty()
        self._started = time.monotonic()
        self._step = ""
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if self._redraw:
            self._write("\n")

    def step(self, text: str) -> None:
        """Begin the next step."""
        if text != self._step:
            self._step = text
            self._show()

    def _tick(self) -> None:
        interval = _TERMINAL_INTERVAL_S if self._redraw else _LOG_INTERVAL_S
        while not self._done.wait(interval):
            self._show()

    def _show(self) -> None:
        elapsed = int(time.monotonic() - self._started)
        line = f"{elapsed // 60}:{elapsed % 60:02d}  {self._step}"
        self._write(f"\r\x1b[K{line}" if self._redraw else f"{line}\n")

    def _write(self, text: str) -> None:
        with self._lock:
            self._stream.write(text)
            self._stream.flush()
