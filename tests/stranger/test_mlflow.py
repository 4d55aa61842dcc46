"""The mlflow tracking server, unmodified, under our distribution.

A FastAPI application with a Flask application mounted at "/": upstream reports no route at all
for what Flask serves. mlflow has an environment of its own, made once beside the project's.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.far_side import attributes, running_collector, wait_until_serving
from support.instrumented import BIN, clean_environment
from support.ports import free_ports

pytestmark = [pytest.mark.stranger, pytest.mark.collector]

SERVER = 2
ROOT = Path(__file__).parents[2]
MLFLOW = "mlflow==3.17.2"
ENVIRONMENT = ROOT / ".venv-mlflow"


@pytest.fixture(scope="session")
def mlflow_bin():
    """Install mlflow and this project into an environment of their own."""
    asked = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    mark = ENVIRONMENT / f"{MLFLOW}-{asked}"
    python = ENVIRONMENT / "bin" / "python"
    if not mark.exists():
        for command in (
            ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
            ["uv", "pip", "install", "--quiet", "--python", str(python), MLFLOW, "-e", "."],
        ):
            subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=True)
        mark.touch()
    return ENVIRONMENT / "bin"


def ask(url, body=None):
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_routes_metrics_and_logs_of_mlflow_arrive(mlflow_bin, tmp_path):
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with running_collector(tmp_path) as collector:
        with (tmp_path / "mlflow.log").open("wb") as log:
            server = subprocess.Popen(
                [
                    str(mlflow_bin / "opentelemetry-instrument"),
                    *(str(mlflow_bin / "mlflow"), "server", "--port", str(port)),
                    *("--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"),
                ],
                stdout=log,
                stderr=log,
                cwd=tmp_path,
                start_new_session=True,
                env=clean_environment(
                    PATH=f"{mlflow_bin}{os.pathsep}{os.environ['PATH']}",
                    OTEL_SERVICE_NAME="mlflow",
                    OTEL_EXPORTER_OTLP_ENDPOINT=collector.http,
                    OTEL_METRIC_EXPORT_INTERVAL="1000",
                    OTEL_BSP_SCHEDULE_DELAY="200",
                ),
            )
        try:
            wait_until_serving(f"{url}/health", server, seconds=180)
            assert ask(f"{url}/api/2.0/mlflow/experiments/create", {"name": "waste"}) == 200
            assert ask(f"{url}/api/2.0/mlflow/experiments/get?experiment_id=1") == 200
            assert ask(f"{url}/ajax-api/3.0/jobs/none") == 404
            assert ask(f"{url}/no/such/page") == 404
            collector.wait_for(
                lambda: len([s for s in collector.spans() if s.record["kind"] == SERVER]) >= 4
            )
            collector.wait_for(
                lambda: [m for m in collector.metrics() if "duration" in m.record["name"]]
            )
        finally:
            os.killpg(server.pid, 2)
            server.wait(30)
        spans = {
            (span.record["name"], span.attributes.get("http.route"))
            for span in collector.spans()
            if span.record["kind"] == SERVER
        }
        assert spans == {
            # of Flask, behind a mount at "/"
            (
                "POST /api/2.0/mlflow/experiments/create",
                "/api/2.0/mlflow/experiments/create",
            ),
            ("GET /api/2.0/mlflow/experiments/get", "/api/2.0/mlflow/experiments/get"),
            # of FastAPI
            ("GET /ajax-api/3.0/jobs/{job_id}", "/ajax-api/3.0/jobs/{job_id}"),
            # of nobody
            ("GET", None),
        }
        routes = {
            attributes(point).get("http.route")
            for metric in collector.metrics()
            if metric.record["name"] == "http.server.request.duration"
            for point in metric.record["histogram"]["dataPoints"]
        }
        assert routes == {route for _, route in spans}
        # mlflow keeps its experiments in SQLite by SQLAlchemy: below the requests, not beside them.
        queries = {span.record["name"]: span.record for span in collector.spans()}
        assert queries["INSERT experiments"]["parentSpanId"]
        scopes = {log.scope for log in collector.logs()}
        assert {"uvicorn.error", "uvicorn.access", "mlflow.store.db.utils"} <= scopes
        traced = [log for log in collector.logs() if log.record.get("traceId")]
        assert {log.scope for log in traced} >= {"uvicorn.access"}
