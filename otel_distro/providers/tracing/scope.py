"""A span that is the current one while a block or a function runs."""

import functools
import inspect
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import Span

from otel_distro.providers.tracing.current import SPAN_KEY, attach, current_context, detach
from otel_distro.providers.tracing.failures import record_failure

if TYPE_CHECKING:
    from otel_distro.providers.tracing.tracer import Tracer

_set: Final = dict.__setitem__


class CurrentSpan:
    """Starts a span where the block or a call of the function begins, and ends it after that."""

    __slots__ = (
        "_arguments",
        "_end_on_exit",
        "_span",
        "_token",
        "_tracer",
    )

    _span: Span
    # While the block runs.
    _token: Token[Context] | None

    def __init__(self, tracer: "Tracer", arguments: tuple[Any, ...], end_on_exit: bool) -> None:  # noqa: FBT001 - the last argument of the API's
        """`arguments` are all of `start_span`'s."""
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit
        self._token = None

    def __enter__(self) -> Span:
        self._span = span = self._tracer.start_span(*self._arguments)
        context = Context(current_context())
        # The class's own method raises: contexts that somebody has are not changed.
        _set(context, SPAN_KEY, span)
        self._token = attach(context)
        return span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        token = self._token
        if token is None:
            return  # it has been left, by somebody who calls this by hand
        self._token = None
        try:
            detach(token)
        except Exception:  # noqa: BLE001 - left in another task or thread than it was entered in
            context_api.detach(token)  # which says so
        span = self._span
        # Others that inherit from `BaseException`, such as `CancelledError`, are no failures:
        # https://github.com/open-telemetry/opentelemetry-python/issues/4484
        if error is not None and isinstance(error, Exception):
            record, set_status = self._arguments[-2:]
            record_failure(span, error, record=record, set_status=set_status, escaped=False)
        if self._end_on_exit:
            span.end()

    def __call__(self, function: Any) -> Any:  # noqa: ANN401 - of whatever type
        """Return the function with each of its calls in a span of its own.

        That of a coroutine ends with the coroutine; of a generator only its making is in a span.
        """
        if inspect.iscoroutinefunction(function):

            async def call(*arguments: object, **more: object) -> object:
                with self._again():
                    return await function(*arguments, **more)

            return functools.wraps(function)(call)

        def call_at_once(*arguments: object, **more: object) -> object:
            with self._again():
                return function(*arguments, **more)

        return functools.wraps(function)(call_at_once)

    def _again(self) -> "CurrentSpan":
        return CurrentSpan(self._tracer, self._arguments, self._end_on_exit)
