"""From an application that knows nothing of us, through a real Collector, to its far side."""

import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from support.far_side import attributes
from support.instrumented import BIN, clean_environment, serving
from support.ports import free_ports

pytestmark = pytest.mark.collector

HERE = Path(__file__).parent
SERVER, INTERNAL, CLIENT = 2, 1, 3


def get(url):
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()
    return None


def variables(collector, url, **more):
    return {
        "OTEL_SERVICE_NAME": "shop-api",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.http,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_BLRP_SCHEDULE_DELAY": "200",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "PYTHONPATH": str(HERE),
        "SELF": url,
        **more,
    }


def uvicorn(port, *options):
    return [str(BIN / "uvicorn"), "strangers_app:app", "--port", str(port), *options]


def gunicorn(port, *options):
    worker = ["--worker-class", "uvicorn_worker.UvicornWorker"]
    bind = ["--bind", f"127.0.0.1:{port}", "--access-logfile", "-"]
    return [str(BIN / "gunicorn"), "strangers_app:app", *worker, *bind, *options]


@pytest.fixture
def url():
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def port_of(url):
    return int(url.rpartition(":")[2])


def test_traces_metrics_and_logs_of_a_request_arrive_and_belong_together(collector, url, tmp_path):
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, variables(collector, url)):
        get(f"{url}/orders/7")
        collector.wait_for(lambda: collector.spans() and collector.metrics())
    (span,) = collector.spans()
    assert span.record["name"] == "GET /orders/{number}"
    assert span.record["kind"] == SERVER
    assert span.attributes["http.request.method"] == "GET", "the stable conventions"
    assert span.attributes["http.route"] == "/orders/{number}"
    assert span.resource["service.name"] == "shop-api"
    assert span.resource["service.namespace"] == "blipee"
    assert span.resource["blipee.service.kind"] == "api"
    (line,) = [log for log in collector.logs() if log.scope == "shop"]
    assert line.record["body"] == {"stringValue": "order 7"}
    assert line.record["severityText"] == "WARN"
    assert line.attributes == {"number": "7"}
    assert line.record["traceId"] == span.record["traceId"]
    assert line.record["spanId"] == span.record["spanId"]
    duration = [m for m in collector.metrics() if m.record["name"].endswith("request.duration")]
    assert {m.record["name"] for m in duration} == {"http.server.request.duration"}
    (point,) = duration[-1].record["histogram"]["dataPoints"]
    assert point["count"] == "1", "the health checks are in no metric either"
    assert attributes(point)["http.route"] == "/orders/{number}"


def test_uvicorns_own_loggers_arrive_and_access_lines_have_the_trace(collector, url, tmp_path):
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, variables(collector, url)):
        get(f"{url}/orders/7")
    collector.wait_for(
        lambda: (
            collector.spans()
            and any("Finished server" in str(log.record["body"]) for log in collector.logs())
        )
    )
    (span,) = collector.spans()
    lines = {log.scope: log for log in collector.logs()}
    assert {"uvicorn.error", "uvicorn.access"} <= lines.keys()
    (access,) = [
        log
        for log in collector.logs()
        if log.scope == "uvicorn.access" and "/orders/7" in log.record["body"]["stringValue"]
    ]
    assert access.record["traceId"] == span.record["traceId"]
    assert "color_message" not in lines["uvicorn.error"].attributes


def test_gunicorns_own_loggers_arrive_and_its_worker_is_traced(collector, url, tmp_path):
    with serving(gunicorn(port_of(url)), f"{url}/health", tmp_path, variables(collector, url)):
        get(f"{url}/orders/7")
        collector.wait_for(collector.spans)
    (span,) = collector.spans()
    by_scope = {}
    for log in collector.logs():
        by_scope.setdefault(log.scope, []).append(log.record["body"]["stringValue"])
    assert any("Booting worker" in line for line in by_scope["gunicorn.error"])
    master = {
        log.resource["process.pid"]
        for log in collector.logs()
        if log.record["body"]["stringValue"].startswith("Listening at")
    }
    assert master
    assert span.resource["process.pid"] not in master, "the worker's own, not the master's"


def test_each_worker_says_which_it_is(collector, url, tmp_path):
    # A busy machine takes longer to start a worker than the 5 s after which uvicorn ends it.
    patience = ("--timeout-worker-healthcheck", "60")
    command = uvicorn(port_of(url), "--workers", "2", *patience)
    with serving(command, f"{url}/health", tmp_path, variables(collector, url)):
        collector.wait_for(
            lambda: (
                len(
                    {
                        log.resource["service.instance.id"]
                        for log in collector.logs()
                        if "Application startup complete" in log.record["body"]["stringValue"]
                    }
                )
                == 2
            )
        )


def test_the_trace_goes_on_through_httpx(collector, url, tmp_path):
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, variables(collector, url)):
        get(f"{url}/relay")
        collector.wait_for(lambda: len(collector.spans()) == 3)
    spans = {(s.record["kind"], s.record["name"]): s.record for s in collector.spans()}
    assert len({span["traceId"] for span in spans.values()}) == 1
    outer = spans[SERVER, "GET /relay"]
    client = spans[CLIENT, "GET"]
    inner = spans[SERVER, "GET /orders/{number}"]
    assert client["parentSpanId"] == outer["spanId"]
    assert inner["parentSpanId"] == client["spanId"]


def test_an_unhandled_exception_is_on_the_span_and_in_the_log(collector, url, tmp_path):
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, variables(collector, url)):
        get(f"{url}/fails")
        collector.wait_for(collector.spans)
    (span,) = collector.spans()
    assert span.record["status"]["code"] == 2
    assert [event["name"] for event in span.record["events"]] == ["exception"]
    assert span.attributes["http.response.status_code"] == "500"
    (log,) = [log for log in collector.logs() if "exception.type" in log.attributes]
    assert log.scope == "uvicorn.error"
    assert log.attributes["exception.message"] == "out of stock"
    assert log.record["traceId"] == span.record["traceId"], "though the span had ended"
    assert log.attributes["exception.type"] == "RuntimeError"


def test_everything_also_goes_by_grpc(collector, url, tmp_path):
    grpc = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.grpc,
    }
    settings = variables(collector, url, **grpc)
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, settings):
        get(f"{url}/orders/7")
        collector.wait_for(lambda: collector.spans() and collector.metrics() and collector.logs())


def test_a_configuration_file_is_respected_and_our_parts_are_kept(collector, url, tmp_path):
    file = tmp_path / "otel.yaml"
    file.write_text(f"""
file_format: "1.0"
resource:
  attributes:
    - {{name: service.name, value: from-the-file}}
tracer_provider:
  processors:
    - batch:
        schedule_delay: 200
        exporter:
          otlp_http:
            endpoint: {collector.http}/v1/traces
logger_provider:
  processors:
    - batch:
        schedule_delay: 200
        exporter:
          otlp_http:
            endpoint: {collector.http}/v1/logs
""")
    settings = variables(collector, url, OTEL_CONFIG_FILE=str(file))
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, settings):
        assert get(f"{url}/orders/7")
        collector.wait_for(lambda: collector.spans() and collector.logs())
    (span,) = collector.spans()
    assert span.resource["service.name"] == "from-the-file"
    assert span.resource["service.namespace"] == "blipee"
    assert span.resource["telemetry.distro.name"] == "blipee-otel-distro"
    assert span.record["name"] == "GET /orders/{number}"
    assert "uvicorn.error" in {log.scope for log in collector.logs()}
    assert not collector.metrics(), "the file has no meter provider"


def test_without_propagators_requests_still_work_and_traces_start_anew(collector, url, tmp_path):
    settings = variables(collector, url, OTEL_PROPAGATORS="none")
    with serving(uvicorn(port_of(url)), f"{url}/health", tmp_path, settings):
        assert get(f"{url}/relay") == b'{"number":7}'
        collector.wait_for(lambda: len(collector.spans()) == 3)
    assert len({span.record["traceId"] for span in collector.spans()}) == 2


def test_configure_in_code_sends_the_same(collector, url, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"""
import logging
import otel_distro
telemetry = otel_distro.configure(service_name="script", endpoint="{collector.http}")
from opentelemetry import metrics, trace
with trace.get_tracer("t").start_as_current_span("work"):
    logging.getLogger("script").error("done")
metrics.get_meter("m").create_counter("things").add(3)
assert telemetry.force_flush()
telemetry.shutdown()
""")
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1, "stderr is the script's own log line"
    assert "done" in done.stderr
    collector.wait_for(lambda: collector.spans() and collector.metrics() and collector.logs())
    (span,), (log,) = collector.spans(), collector.logs()
    assert log.record["traceId"] == span.record["traceId"]
    assert {"things", "process.memory.usage"} <= {m.record["name"] for m in collector.metrics()}
