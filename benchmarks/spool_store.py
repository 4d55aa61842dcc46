"""What writing ahead costs: segment files beside sqlite, for chunks as they come every 200 ms.

python -m benchmarks.spool_store
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from otel_distro.delivery.encoding import Chunk
from otel_distro.delivery.spool.layout import DONE
from otel_distro.delivery.spool.segment import Segment

_CHUNKS = 2000
_ROUNDS = 5
_CHUNK = Chunk(b"r" * 700, b"s" * 10_000, 40)


def main() -> None:
    ways: dict[str, Callable[[Path], None]] = {
        "segment files": _segments,
        "sqlite, WAL, synchronous=OFF": lambda folder: _sqlite(folder, "OFF"),
        "sqlite, WAL, synchronous=NORMAL": lambda folder: _sqlite(folder, "NORMAL"),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                began = time.process_time()
                way(Path(folder))
                spent[name].append((time.process_time() - began) / _CHUNKS * 1e6)
    best = {name: min(times) for name, times in spent.items()}
    print("| a chunk of 40 spans written, read back and settled | CPU µs | ratio |")
    print("|---|---|---|")
    for name, cost in best.items():
        print(f"| {name} | {cost:.0f} | {cost / best['segment files']:.1f} |")


def _segments(folder: Path) -> None:
    segment = Segment.create(folder / "traces-1.otlp", "traces")
    for _ in range(_CHUNKS):
        segment.append(_CHUNK)
    for place in segment.places(segment.start):
        segment.read(place)
        segment.mark(place.offset, DONE)
    segment.close()


def _sqlite(folder: Path, synchronous: str) -> None:
    store = sqlite3.connect(folder / "spool.db", isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute(f"PRAGMA synchronous={synchronous}")
    store.execute("CREATE TABLE chunk (id INTEGER PRIMARY KEY, signal, resource, scopes, count)")
    for _ in range(_CHUNKS):
        store.execute(
            "INSERT INTO chunk (signal, resource, scopes, count) VALUES (?, ?, ?, ?)",
            ("traces", _CHUNK.resource, _CHUNK.scopes, _CHUNK.count),
        )
    for (number,) in store.execute("SELECT id FROM chunk ORDER BY id").fetchall():
        store.execute("SELECT resource, scopes FROM chunk WHERE id = ?", (number,)).fetchone()
        store.execute("DELETE FROM chunk WHERE id = ?", (number,))
    store.close()


if __name__ == "__main__":
    main()
