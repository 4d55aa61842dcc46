"""Keeps what telemetry costs within its budget, and tells it as metrics."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import MeterProvider

from otel_distro.delivery.pipeline import Pipeline
from otel_distro.governor import state
from otel_distro.governor.governor import Governor
from otel_distro.governor.regulator import PACE, Pace
from otel_distro.instrumentation import limits
from otel_distro.instruments import recorder
from otel_distro.instruments.recorder import Attributes

Values = Iterable[tuple[float, Attributes]]


def govern(
    pipeline: Pipeline,
    budget_percent: float,
    changed: Callable[[int], None],
    provider: MeterProvider | None = None,
    pace: Pace = PACE,
) -> None:
    """Govern what telemetry costs, on threads that there are: at rounds of delivery and exports.

    Args:
        pipeline: Tells what delivery costs, and lets the governor look.
        budget_percent: What telemetry may take of a processor; 0 for whatever it takes.
        changed: Called with each new level, see `otel_distro.governor.state`.
        provider: Of the meter; the global one by default.
        pace: How quickly it decides.
    """
    if not budget_percent:
        return
    budget = budget_percent / 100

    def spent() -> float:
        return state.seconds() + pipeline.cpu_seconds

    governor = Governor(budget, spent, limits.processors(), changed, pace)
    pipeline.look_after_rounds(governor.look)

    def level() -> Values:
        governor.look()
        return [(state.level, {})]

    recorder.observe("blipee.governor.level", level, provider)
    recorder.observe("blipee.governor.cpu.share", lambda: [(governor.share, {})], provider)
    recorder.observe("blipee.governor.cpu.budget", lambda: [(budget, {})], provider)
