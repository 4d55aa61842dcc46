"""Where the CPU of requests goes: by package, and by function itself and with what it calls."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.overhead.inprocess import Row
from benchmarks.overhead.session import Session

_SHOWN = 45
_LEAST_US = 0.05
_WARM_UP = 1000
_REQUESTS = 20_000


def profile(session: Session, row: Row) -> str:
    """Sample one contestant, and return the listings. µs are those of a request."""
    session.tell(f"{row.what}: {_REQUESTS:,} requests")
    with session.children("drive.py", **row.variables) as (children, problems):
        for name, problem in problems.items():
            return f"{name}: {problem}"
        (child,) = children.values()
        child.ask("round", _WARM_UP, *row.order)
        said = child.ask("sample", _REQUESTS, *row.order, seconds=300)
        unsampled = child.ask("round", _REQUESTS, *row.order, seconds=300)
    own, below, others = (
        Counter({name: one / _REQUESTS * 1e6 for name, one in said[which].items()})
        for which in ("own", "below", "others")
    )
    packages: Counter[str] = Counter()
    for name, cost in own.items():
        packages[_package(name)] += cost
    whole = unsampled["cpu_s"] / _REQUESTS * 1e6
    threads = f"{own.total():.0f} µs in the request's thread, {others.total():.0f} in others"
    return "\n".join(
        [
            f"{row.what}: {whole:.0f} µs a request; while sampled {threads}.",
            _listing("The request's thread, by package", packages, 15),
            _listing("… by function, itself", own),
            _listing("… by function, with what it calls", below),
            _listing("Other threads, and where they then waited", others, 20),
        ]
    )


def _listing(title: str, costs: Mapping[str, float], shown: int = _SHOWN) -> str:
    ordered = sorted(costs.items(), key=lambda one: -one[1])[:shown]
    lines = [f"{cost:8.1f}  {_short(name)}" for name, cost in ordered if cost >= _LEAST_US]
    return "\n".join([f"\n{title}, µs", *lines])


def _package(name: str) -> str:
    """Return a name for what a file belongs to, as one would group it."""
    parts = Path(name.partition(":")[0]).parts
    if "inside" in parts:
        return "the benchmark"
    for root, depth in (("otel_distro", 3), ("opentelemetry", 3), ("site-packages", 2)):
        if root in parts:
            below = parts[parts.index(root) : -1][:depth]
            return ".".join(part for part in below if part != "site-packages") or parts[-1]
    return "the standard library"


def _short(name: str) -> str:
    """Return a function's name with its file, from its package on."""
    before, _, after = name.rpartition("/site-packages/")
    if not before:
        before, found, after = name.rpartition("/otel_distro/")
        after = f"otel_distro/{after}" if found else after
    thread = f"{before[: before.index('] ') + 1]} " if before.startswith("[") else ""
    return thread + after
