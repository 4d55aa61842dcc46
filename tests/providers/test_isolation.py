"""Parts of strangers that raise cost themselves only, and are named once."""

import logging

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers import sdk
from otel_distro.providers.propagation import Propagators
from otel_distro.providers.sampling import isolated_id_generator, isolated_sampler


def failing(kind, *methods):
    """Return an instance of a class whose methods of these names raise."""

    def fail(*arguments, **more):
        raise RuntimeError("wrong version")

    return type("Failing", (kind,), dict.fromkeys(methods, fail))()


@pytest.fixture
def spans():
    """A provider, and a function that makes two spans and stops it."""
    provider = sdk.TracerProvider(shutdown_on_exit=False)

    def use():
        tracer = provider.get_tracer("t")
        for name in ("one", "two"):
            tracer.start_span(name).end()
        flushed = provider.force_flush()
        provider.shutdown()
        return flushed

    return provider, use


@pytest.mark.parametrize("method", ["on_start", "_on_ending", "on_end", "force_flush", "shutdown"])
def test_a_span_processor_that_raises_costs_nothing_but_itself(method, spans, said):
    provider, use = spans
    before, after = InMemorySpanExporter(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(before))
    provider.get_tracer("t")  # one that exists already follows too
    provider.add_span_processor(failing(SpanProcessor, method))
    provider.add_span_processor(SimpleSpanProcessor(after))
    assert use() is (method != "force_flush")
    for exporter in (before, after):
        assert [span.name for span in exporter.get_finished_spans()] == ["one", "two"]
        assert exporter._stopped
    (line,) = said()
    assert line.endswith(
        f"Failing.{method} failed (RuntimeError: wrong version); "
        "the others and the application go on."
    )


class KeepsLogs(LogRecordProcessor):
    def __init__(self):
        self.bodies = []
        self.calls = []

    def on_emit(self, log_record):
        self.bodies.append(log_record.log_record.body)

    def enabled(self, **question):
        return self.bodies == ["only this"]

    def force_flush(self, timeout_millis=0):
        self.calls.append("force_flush")
        return True

    def shutdown(self):
        self.calls.append("shutdown")


@pytest.mark.parametrize("method", ["on_emit", "enabled", "force_flush", "shutdown"])
def test_a_log_record_processor_that_raises_costs_nothing_but_itself(method, said):
    provider = sdk.LoggerProvider(shutdown_on_exit=False)
    before, after = KeepsLogs(), KeepsLogs()
    for one in (before, failing(KeepsLogs, method), after):
        provider.add_log_record_processor(one)
    logger = provider.get_logger("t")
    # One that does not answer may want the record.
    assert logger.enabled(severity_number=SeverityNumber.INFO) is (method == "enabled")
    logger.emit(body="one")
    logger.emit(body="two")
    assert provider.force_flush() is (method != "force_flush")
    provider.shutdown()
    for kept in (before, after):
        assert kept.bodies == ["one", "two"]
        assert kept.calls == ["force_flush", "shutdown"]
    (line,) = said()
    assert f"Failing.{method} failed (RuntimeError: wrong version)" in line


def test_a_flush_still_ends_with_its_time(spans):
    provider, _ = spans
    flushed = []

    class Slow(SpanProcessor):
        def force_flush(self, timeout_millis=0):
            flushed.append(timeout_millis)  # and returns None, as many in use do

    for _ in range(2):
        provider.add_span_processor(Slow())
    assert provider.force_flush(500) is True
    assert all(0 < timeout <= 500 for timeout in flushed)
    assert provider.force_flush(0) is False
    assert len(flushed) == 2


def test_a_processor_stays_the_object_that_it_is(spans):
    provider, _ = spans
    processor = SimpleSpanProcessor(InMemorySpanExporter())
    provider.add_span_processor(processor)
    assert provider._active_span_processor._span_processors == (processor,)
    logs = sdk.LoggerProvider(shutdown_on_exit=False)
    kept = KeepsLogs()
    logs.add_log_record_processor(kept)
    assert logs._multi_log_record_processor._log_record_processors == (kept,)


def answers(answer):
    class Answers(Sampler):
        threshold = 7

        def should_sample(self, *arguments, **more):
            if isinstance(answer, Exception):
                raise answer
            return answer

        def get_description(self):
            if isinstance(answer, Exception):
                raise answer
            return "Answers"

    return Answers()


REMOTE = {
    sampled: set_span_in_context(
        NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(sampled)))
    )
    for sampled in (0, 1)
}


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (RuntimeError("wrong version"), "RuntimeError: wrong version"),
        (None, "AttributeError"),
        (SamplingResult("yes"), "TypeError: its decision is str"),
        (SamplingResult(Decision.RECORD_ONLY, None, "a=b"), "TypeError: its state is str"),
    ],
)
def test_where_a_sampler_fails_the_standard_one_decides(answer, fault, said):
    provider = sdk.TracerProvider(sampler=answers(answer), shutdown_on_exit=False)
    tracer = provider.get_tracer("t")
    for _ in range(2):
        assert tracer.start_span("root").get_span_context().trace_flags.sampled
        assert not tracer.start_span("child", REMOTE[0]).get_span_context().trace_flags.sampled
        assert tracer.start_span("child", REMOTE[1]).get_span_context().trace_flags.sampled
    (line,) = said()
    assert f"Answers.should_sample failed ({fault}" in line
    assert line.endswith("; the standard sampler decides.")
    description = provider.sampler.get_description()
    assert description == "Answers"
    assert provider.sampler.threshold == 7
    assert said() == []


def test_a_sampler_that_works_decides():
    sampler = answers(SamplingResult(Decision.RECORD_ONLY, {"a": 1}))
    provider = sdk.TracerProvider(sampler=sampler, shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("s")
    assert not span.get_span_context().trace_flags.sampled
    assert span.attributes == {"a": 1}


def ids(answer):
    class Makes(IdGenerator):
        seed = 3

        def generate_span_id(self):
            if isinstance(answer, Exception):
                raise answer
            return answer

        generate_trace_id = is_trace_id_random = generate_span_id

    return Makes()


@pytest.mark.parametrize("answer", [RuntimeError("wrong version"), 0, -1, 2**128, "7", None])
def test_where_an_id_generator_fails_ids_are_random(answer, said):
    provider = sdk.TracerProvider(id_generator=ids(answer), shutdown_on_exit=False)
    tracer = provider.get_tracer("t")
    contexts = [tracer.start_span("s").get_span_context() for _ in range(3)]
    assert all(context.is_valid for context in contexts)
    assert len({context.trace_id for context in contexts}) == 3
    assert len({context.span_id for context in contexts}) == 3
    (line,) = said()
    assert "Makes.generate_trace_id failed (" in line
    assert line.endswith("; a random id is used.")
    assert provider.id_generator.seed == 3


@pytest.mark.parametrize(
    "part",
    [
        DEFAULT_ON,
        ALWAYS_OFF,
        TraceIdRatioBased(0.5),
        ParentBased(TraceIdRatioBased(0.5)),
        RandomIdGenerator(),
    ],
)
def test_the_sdks_own_parts_are_not_wrapped(part):
    isolated = isolated_sampler if isinstance(part, Sampler) else isolated_id_generator
    assert isolated(part) is part


def test_a_strangers_sampler_is_isolated_also_where_one_of_the_sdk_asks_it(said):
    sampler = isolated_sampler(ParentBased(answers(RuntimeError("wrong version"))))
    assert sampler.should_sample(None, 1, "s").decision is Decision.RECORD_AND_SAMPLE
    assert len(said()) == 1


class Header:
    """A propagator that carries one header."""

    def __init__(self, name):
        self.name = name

    def extract(self, carrier, context=None, getter=None):
        return Context({**(context or {}), self.name: carrier.get(self.name)})

    def inject(self, carrier, context=None, setter=None):
        carrier[self.name] = "passed on"

    @property
    def fields(self):
        return {self.name}


def test_a_propagator_that_raises_is_left_out_and_the_others_go_on(said):
    one, two = Header("one"), Header("two")
    both = Propagators([one, failing(TextMapPropagator, "extract", "inject", "fields"), two])
    for _ in range(2):
        assert both.extract({"one": 1, "two": 2}) == {"one": 1, "two": 2}
        carrier = {}
        both.inject(carrier)
        assert carrier == {"one": "passed on", "two": "passed on"}
        assert both.fields == {"one", "two"}
    (line,) = said()
    assert "Failing.extract failed (RuntimeError: wrong version); the other propagators" in line


@pytest.mark.parametrize(("returned", "lines"), [(None, 0), ({}, 1), ("context", 1)])
def test_a_propagator_that_returns_no_context_takes_none_away(returned, lines, said, request):
    class Returns(Header):
        def extract(self, carrier, context=None, getter=None):
            return returned

    token = attach(Context())  # whatever another test has left
    request.addfinalizer(lambda: detach(token))
    there = Context({"there": 1})
    assert Propagators([Returns("r")]).extract({}, there) is there
    assert Propagators([Returns("r")]).extract({}) == Context()
    assert Propagators([Header("one"), Returns("r")]).extract({"one": 1}) == {"one": 1}
    assert Propagators([]).extract({}, there) is there
    assert len(said()) == lines


class FailingSpanExporter(SpanExporter):
    def export(self, *arguments, **more):
        raise RuntimeError("wrong version")


class FailingLogExporter(InMemoryLogRecordExporter):
    export = FailingSpanExporter.export


class FailingMetricExporter(MetricExporter):
    export = FailingSpanExporter.export

    def force_flush(self, *arguments, **more):
        raise RuntimeError("wrong version")

    shutdown = force_flush


@pytest.mark.parametrize("kind", [SimpleSpanProcessor, BatchSpanProcessor])
def test_an_exporter_of_spans_that_raises_is_one_line(kind, spans, said, caplog):
    provider, use = spans
    kept = InMemorySpanExporter()
    provider.add_span_processor(kind(FailingSpanExporter()))
    provider.add_span_processor(kind(kept))
    use()
    assert len(kept.get_finished_spans()) == 2
    assert_one_line(said, caplog)


@pytest.mark.parametrize("kind", [SimpleLogRecordProcessor, BatchLogRecordProcessor])
def test_an_exporter_of_logs_that_raises_is_one_line(kind, said, caplog):
    provider = sdk.LoggerProvider(shutdown_on_exit=False)
    kept = InMemoryLogRecordExporter()
    provider.add_log_record_processor(kind(FailingLogExporter()))
    provider.add_log_record_processor(kind(kept))
    for _ in range(2):
        provider.get_logger("t").emit(body="b")
        provider.force_flush()
    assert len(kept.get_finished_logs()) == 2
    provider.shutdown()
    assert_one_line(said, caplog)


def assert_one_line(said, caplog):
    (line,) = said()
    where = f"{__file__}:{FailingSpanExporter.export.__code__.co_firstlineno + 1}"
    assert line.startswith(f"an exporter failed (RuntimeError: wrong version, at {where})")
    assert caplog.messages == []


def test_an_exporter_of_metrics_that_raises_does_not_raise_into_the_application(said, caplog):
    kept = InMemoryMetricReader()
    failing_reader = PeriodicExportingMetricReader(FailingMetricExporter(), 3_600_000)
    provider = sdk.MeterProvider(metric_readers=[failing_reader, kept], shutdown_on_exit=False)
    provider.get_meter("t").create_counter("c").add(1)
    for _ in range(2):
        assert provider.force_flush() is False
    assert kept.get_metrics_data().resource_metrics
    provider.shutdown()
    about_export, about_flush = said()
    assert about_export.startswith("an exporter failed (RuntimeError: wrong version")
    assert "MeterProvider.force_flush failed" in about_flush
    assert caplog.messages == []


def test_what_else_the_sdk_says_is_still_said(caplog):
    sdk.TracerProvider(shutdown_on_exit=False)
    logging.getLogger("opentelemetry.sdk.trace.export").warning("Queue full, dropping %s.", "Span")
    assert caplog.messages == ["Queue full, dropping Span."]


def test_a_span_exporter_without_a_fault_is_asked_for_everything(spans):
    provider, use = spans
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    assert use() is True
    assert kept.export([]) is SpanExportResult.FAILURE  # it was shut down


APPLICATION = """
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import SpanProcessor

class Attached(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise RuntimeError("wrong version")
    on_end = force_flush = on_start

trace.get_tracer_provider().add_span_processor(Attached())
for _ in range(3):
    context = propagate.extract({"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"})
    with trace.get_tracer("t").start_as_current_span("s", context) as span:
        carrier = {}
        propagate.inject(carrier, baggage.set_baggage("k", "v"))
        print(span.get_span_context().trace_flags.sampled, sorted(carrier))
    trace.get_tracer("t").start_span("root").end()
trace.get_tracer_provider().force_flush()
"""


def test_an_application_runs_on_with_every_part_failing_and_has_a_line_for_each(plugins, request):
    done = run_python(
        APPLICATION,
        PYTHONPATH=f"{plugins}:{request.path.parent}:{request.config.rootpath}",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_TRACES_SAMPLER="failingsampler",
        OTEL_PYTHON_ID_GENERATOR="failingids",
        OTEL_PROPAGATORS="failingpropagator,tracecontext,baggage",
        **NO_EXPORT | {"OTEL_SERVICE_NAME": "app", "OTEL_TRACES_EXPORTER": "failingexporter"},
    )
    assert done.stdout == "True ['baggage', 'traceparent']\n" * 3
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert all(line.startswith("blipee-otel: ") for line in lines), done.stderr
    for part in ("FailingSampler", "FailingIds", "FailingPropagator", "Attached"):
        assert sum(f".{part}." in line for line in lines) == 1
    assert len(lines) == 5


FILE = """
file_format: "1.0"
tracer_provider:
  sampler: {failingsampler: }
  processors: [{simple: {exporter: {failingexporter: }}}]
meter_provider: {readers: [{periodic: {interval: 3600000, exporter: {console: }}}]}
logger_provider: {processors: [{simple: {exporter: {console: }}}]}
propagator: {composite: [{failingpropagator: }, {tracecontext: }, {baggage: }]}
"""


def test_the_parts_of_a_configuration_file_are_isolated_too(plugins, request, tmp_path):
    file = tmp_path / "otel.yaml"
    file.write_text(FILE)
    done = run_python(
        APPLICATION + "from opentelemetry import metrics, _logs\n"
        "print(*(type(one.get_tracer_provider()).__module__ for one in [trace]),"
        "type(metrics.get_meter_provider()).__module__,"
        "type(_logs.get_logger_provider()).__module__)",
        PYTHONPATH=f"{plugins}:{request.path.parent}:{request.config.rootpath}",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_CONFIG_FILE=str(file),
        OTEL_SERVICE_NAME="app",
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:3] == ["True ['baggage', 'traceparent']"] * 3
    assert said[3] == " ".join(["otel_distro.providers.sdk"] * 3)
    lines = done.stderr.splitlines()
    assert all(line.startswith("blipee-otel: ") for line in lines), done.stderr
    for part in ("FailingSampler", "FailingPropagator", "Attached"):
        assert sum(f".{part}." in line for line in lines) == 1
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("named", "headers"),
    [
        ("raising,tracecontext", ["traceparent", "tracestate"]),
        ("tracecontext,missing,raising", ["traceparent", "tracestate"]),
        ("raising", ["baggage", "traceparent", "tracestate"]),
        ("homing,raising", ["pigeon"]),
    ],
)
def test_a_propagator_that_cannot_be_loaded_does_not_stop_the_start(
    named, headers, plugins, request
):
    done = run_python(
        "from opentelemetry import propagate; print(sorted(propagate.get_global_textmap().fields))",
        PYTHONPATH=f"{plugins}:{request.path.parent}",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_PROPAGATORS=named,
        **NO_EXPORT,
    )
    assert done.stdout == f"{headers}\n"
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    failed = [name for name in named.split(",") if name in ("raising", "missing")]
    assert [line.partition(" failed ")[0] for line in lines] == [
        f"blipee-otel: opentelemetry_propagator {name!r}" for name in failed
    ]
