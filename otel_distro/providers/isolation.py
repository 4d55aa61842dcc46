"""Parts that others wrote, and that may raise: named once, and nothing more than themselves lost.

The SDK calls processors one after the other, on the application's own thread, and lets what one
raises go on into the application. Here the loop catches it, so that a processor stays the object
it is, for whoever looks for it, and one that does not raise costs nothing more.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs._internal import SynchronousMultiLogRecordProcessor
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)

from otel_distro.delivery.sdk import PipelineSpanProcessor
from otel_distro.notices import describe, notice

if TYPE_CHECKING:
    from otel_distro.providers.tracing.span import Span as LeanSpan

_GO_ON: Final = "the others and the application go on"


def name_failure(part: object, method: str, error: BaseException, then: str) -> None:
    """Say once for each class that a part failed, and what happens instead."""
    kind = type(part)
    name = f"{kind.__module__}.{kind.__qualname__}"
    notice(f"part {name}", f"{name}.{method} failed ({describe(error)}); {then}.")


class SpanProcessors(SynchronousMultiSpanProcessor):
    """All span processors of a provider, each isolated from the others and the application.

    Attributes:
        deliver: Takes an ended span that is to be delivered, where that is all there is to do:
            the pipeline's processor is the only one. Else None.
        watch: Whether any of them is told of starts, and of ends that are not delivered.
    """

    deliver: Callable[[ReadableSpan], None] | None
    watch: bool

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def _span_processors(self) -> tuple[SpanProcessor, ...]:
        return self._all

    # Set by the SDK where one is added, and by those who know no other way to remove one.
    @_span_processors.setter
    def _span_processors(self, processors: tuple[SpanProcessor, ...]) -> None:
        self._all = processors
        first = processors[0] if len(processors) == 1 else None
        self.deliver = first.deliver if type(first) is PipelineSpanProcessor else None
        self.watch = any(type(one) is not PipelineSpanProcessor for one in processors)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Tell all that a span has started."""
        for one in self._span_processors:
            try:
                one.on_start(span, parent_context=parent_context)
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "on_start", error, _GO_ON)

    def _on_ending(self, span: Span) -> None:
        for one in self._span_processors:
            try:
                one._on_ending(span)  # noqa: SLF001 - a hook of the SDK's
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "_on_ending", error, _GO_ON)

    def on_end(self, span: ReadableSpan) -> None:
        """Tell all that a span has ended."""
        for one in self._span_processors:
            try:
                one.on_end(span)
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "on_end", error, _GO_ON)

    def ended(self, span: "LeanSpan") -> None:
        """Tell all that a span of ours has ended; others than ours get a copy, as of the SDK's."""
        self._on_ending(span)
        readable: ReadableSpan | None = None
        for one in self._span_processors:
            try:
                if type(one) is PipelineSpanProcessor:
                    one.on_end(span)
                else:
                    readable = readable or span._readable_span()  # noqa: SLF001 - the SDK's name
                    one.on_end(readable)
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "on_end", error, _GO_ON)

    def shutdown(self) -> None:
        """Shut all down."""
        _shut_down(self._span_processors)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush all, as long as there is time. Returns whether all was flushed."""
        return _flush(self._span_processors, timeout_millis)


class LogRecordProcessors(SynchronousMultiLogRecordProcessor):
    """All log record processors of a provider, each isolated as span processors are."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Give all the record."""
        for one in self._log_record_processors:
            try:
                one.on_emit(log_record)
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "on_emit", error, _GO_ON)

    def enabled(self, **question: Any) -> bool:  # noqa: ANN401 - the SDK's
        """Return whether any wants such a record; one that fails to answer may."""
        for one in self._log_record_processors:
            try:
                if one.enabled(**question):
                    return True
            except Exception as error:  # noqa: BLE001 - the processor's
                name_failure(one, "enabled", error, _GO_ON)
                return True
        return False

    def shutdown(self) -> None:
        """Shut all down."""
        _shut_down(self._log_record_processors)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush all, as long as there is time. Returns whether all was flushed."""
        return _flush(self._log_record_processors, timeout_millis)


def _shut_down(parts: Sequence[SpanProcessor | LogRecordProcessor]) -> None:
    for one in parts:
        try:
            one.shutdown()
        except Exception as error:  # noqa: BLE001 - the processor's
            name_failure(one, "shutdown", error, _GO_ON)


def _flush(parts: Sequence[SpanProcessor | LogRecordProcessor], timeout_millis: int) -> bool:
    deadline = monotonic() + timeout_millis / 1000
    flushed = True
    for one in parts:
        left = int((deadline - monotonic()) * 1000)
        if left <= 0:
            return False
        try:
            # Many that are in use return None, which upstream takes for yes.
            flushed &= one.force_flush(left) is not False
        except Exception as error:  # noqa: BLE001 - the processor's
            name_failure(one, "force_flush", error, _GO_ON)
            flushed = False
    return flushed
