"""A forked child describes itself; the SDK's private way to say so is there."""

import textwrap

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.instrumented import NO_EXPORT, run_python

BEFORE = Resource({"process.pid": 1, "service.name": "app"})


def spans():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=BEFORE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")

    def resource():
        tracer.start_span("s").end()
        return exporter.get_finished_spans()[-1].resource

    return provider, resource


def metrics():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=BEFORE)
    counter = provider.get_meter("t").create_counter("c")

    def resource():
        counter.add(1)
        return reader.get_metrics_data().resource_metrics[0].resource

    return provider, resource


def logs():
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=BEFORE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("t")

    def resource():
        logger.emit(body="l")
        return exporter.get_finished_logs()[-1].resource

    return provider, resource


@pytest.mark.parametrize("signal", [spans, metrics, logs])
def test_the_sdk_renews_the_resource_of_a_provider_and_of_what_it_gave_out(signal):
    provider, resource = signal()
    assert resource().attributes == BEFORE.attributes
    provider._update_resource(Resource({"process.pid": 2}))
    assert resource().attributes == {"process.pid": 2, "service.name": "app"}
    provider.shutdown()


SHOW_CHILD = textwrap.dedent("""
    import os
    from opentelemetry import _logs, metrics, trace
    def show():
        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()._sdk_config,
                         _logs.get_logger_provider()):
            said = provider.resource.attributes
            print(said["process.pid"] == os.getpid(), said["process.parent_pid"] == os.getppid(),
                  said["service.name"], said["service.instance.id"], flush=True)
    show()
    if not os.fork():
        show()
        if not os.fork():
            show()
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()
""")

FILE = """
file_format: "1.0"
tracer_provider: {processors: [{simple: {exporter: {console: }}}]}
meter_provider: {readers: [{periodic: {interval: 3600000, exporter: {console: }}}]}
logger_provider: {processors: [{simple: {exporter: {console: }}}]}
"""


@pytest.mark.parametrize("configured_by", ["variables", "file"])
def test_a_child_and_its_child_have_their_own_pid_and_instance(configured_by, tmp_path):
    file = tmp_path / "otel.yaml"
    file.write_text(FILE)
    done = run_python(
        SHOW_CHILD,
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_CONFIG_FILE=str(file) if configured_by == "file" else "",
        PYTHONWARNINGS="ignore::DeprecationWarning",  # from 3.12 on: threads and a fork
        **NO_EXPORT,
    )
    assert done.stderr == ""
    # The rest is what the console exporter says of the process at its end.
    said = (line for line in done.stdout.splitlines() if line.startswith(("True ", "False ")))
    lines = [line.split() for line in said]
    assert [line[:3] for line in lines] == [["True", "True", "app"]] * 9
    instances = [{line[3] for line in lines[start : start + 3]} for start in (0, 3, 6)]
    assert all(len(of_one_process) == 1 for of_one_process in instances)
    assert len(set.union(*instances)) == 3
