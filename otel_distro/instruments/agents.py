"""Agents: their runs, the tools they call, and what waits for them.

Spans and durations follow the GenAI conventions, by OpenTelemetry's own handler.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.invocation import LocalAgentInvocation, ToolInvocation
from opentelemetry.util.genai.types import Error

from otel_distro.instruments import outcomes, recorder
from otel_distro.instruments.accepted import number
from otel_distro.instruments.timed import Timed, status_of
from otel_distro.notices import describe, notice
from otel_distro.version import __version__

_queues: Final[dict[str, Callable[[], int]]] = {}


class ToolRun:
    """A call of a tool that goes on."""

    def __init__(self, invocation: ToolInvocation) -> None:
        self.invocation = invocation

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        _finish(self.invocation, error)


class AgentRun:
    """A run of an agent that goes on.

    Attributes:
        invocation: To say more of it: tokens, model, provider, as the GenAI conventions have them.
    """

    def __init__(self, agent_type: str, invocation: LocalAgentInvocation) -> None:
        self.invocation = invocation
        self._agent_type = agent_type
        self._tool_calls = 0

    def tool(self, name: str) -> Timed[ToolRun]:
        """Measure a call of a tool: `with run.tool("search"): …`, also as decorator."""

        def begin() -> ToolRun:
            self._tool_calls += 1
            return ToolRun(_handler().tool(name, agent_name=self._agent_type))

        return Timed(begin)

    def end(self, error: BaseException | None) -> None:
        """Record the outcome."""
        _finish(self.invocation, error)
        outcomes.count("agents.executions", {"agent_type": self._agent_type}, status_of(error))
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": self._agent_type,
        }
        recorder.histogram("gen_ai.invoke_agent.tool_calls").record(self._tool_calls, attributes)


def execution(*, agent_type: str, conversation_id: str | None = None) -> Timed[AgentRun]:
    """Measure runs of an agent: `with agents.execution(agent_type="CarbonHunter") as run: …`.

    Also `async with`, and as decorator of sync and async functions. The status is that of the
    outcome; exceptions go on untouched.

    Args:
        agent_type: The kind of agent, of a bounded set.
        conversation_id: On the span only: its values have no bound.
    """
    return Timed(
        lambda: AgentRun(
            agent_type,
            _handler().invoke_local_agent(agent_name=agent_type, conversation_id=conversation_id),
        )
    )


def queue_size(callback: Callable[[], int], *, queue: str = "default") -> None:
    """Report how many tasks wait, as `callback` says at each export.

    Args:
        callback: Returns the number now, at once: exports wait for it. One that raises costs its
            queue only.
        queue: Its name, of a bounded set; naming it again replaces the callback.
    """
    if not _queues:
        recorder.observe("agents.queue.size", _queue_sizes)
    _queues[queue] = callback


def _queue_sizes() -> Iterator[tuple[float, Mapping[str, str]]]:
    for name, size in list(_queues.items()):
        try:
            value = number(size())
        except Exception as fault:  # noqa: BLE001 - the application's code; the other queues go on
            notice(
                f"agents.queue_size {name}",
                f"agents.queue_size of {name}: the callback failed ({describe(fault)}); its value "
                "is left out.",
            )
            continue
        yield value, {"queue": name}


def _finish(invocation: LocalAgentInvocation | ToolInvocation, error: BaseException | None) -> None:
    if error is None:
        invocation.stop()
        return
    try:
        failure = Error.from_exception(error)
    except Exception:  # noqa: BLE001 - its text is the application's code
        failure = Error(message=describe(error), type=type(error).__qualname__)
    invocation.fail(failure)


@lru_cache(maxsize=1)
def _handler() -> TelemetryHandler:
    return TelemetryHandler(
        instrumentation_scope_name=recorder.SCOPE, instrumentation_scope_version=__version__
    )
