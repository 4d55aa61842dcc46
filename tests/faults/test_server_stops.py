"""Servers that are asked to stop end as they do without us, and all of their telemetry arrives."""

import signal
import threading
import urllib.request
from contextlib import ExitStack
from importlib.metadata import entry_points
from itertools import product

import pytest
from support.far_side import wait_until_serving
from support.instrumented import BIN
from support.misbehaving import Hang, HttpServer
from support.ports import free_ports
from support.scenarios import of

pytestmark = pytest.mark.collector

APP = "support.stopping_app:app"
GUNICORN = ["gunicorn", APP, "--worker-class", "uvicorn_worker.UvicornWorker", "--bind", "{at}"]
SERVERS = {
    "uvicorn": ["uvicorn", APP, "--port", "{port}"],
    # Its master kills workers that have not started after some seconds.
    "uvicorn --workers 2": [
        *("uvicorn", APP, "--port", "{port}", "--workers", "2"),
        *("--timeout-worker-healthcheck", "60"),
    ],
    "uvicorn --reload": ["uvicorn", APP, "--port", "{port}", "--reload"],
    "gunicorn": [*GUNICORN, "--workers", "2"],
    "gunicorn --preload": [*GUNICORN, "--preload"],
    "hypercorn": ["hypercorn", APP, "--bind", "{at}"],
}
SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
COLLECTORS = ("up", "down", "hangs")
REQUESTS = 20
# Seconds that a server may take longer to end than without us, for each of its processes that waits
# for others.
LONGER_S = {"up": 6.0, "down": 6.0, "hangs": 8.0}

_plain: dict[tuple[str, str], "object"] = {}
_lock = threading.Lock()


def serve(ground, server, how, **variables):
    """Start a server, let it work, ask it to stop while a request is under way."""
    (port,) = free_ports(1)
    program, *options = [word.format(port=port, at=f"127.0.0.1:{port}") for word in SERVERS[server]]
    url = f"http://127.0.0.1:{port}"
    running = ground.start([str(BIN / program), *options], **variables)
    wait_until_serving(f"{url}/health", running.process)
    for number in range(REQUESTS - 1):
        assert get(f"{url}/work/{number}") == f'"{number}"'
    answer = []
    under_way = threading.Thread(target=lambda: answer.append(get(f"{url}/slow/{REQUESTS - 1}")))
    under_way.start()
    running.wait_for("slow")
    running.send(SIGNALS[how])
    under_way.join()
    assert answer == [f'"{REQUESTS - 1}"'], "what is under way is answered"
    return running.end()


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def stopped(ground, server, how, collector):
    # Importing every library takes longer than all the rest.
    libraries = {point.name for point in entry_points(group="opentelemetry_instrumentor")}
    variables = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(libraries - {"fastapi"})}
    with ExitStack() as stack:
        if collector == "down":
            variables |= ground.nowhere()
        elif collector == "hangs":
            hanging = stack.enter_context(HttpServer())
            hanging.otherwise = Hang()
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://{hanging.host}"
        ended = serve(ground, server, how, instrumented=True, **variables)
    if collector != "up":
        ground.deliver()
    with _lock:
        plain = _plain.get((server, how)) or serve(ground, server, how)
        _plain[server, how] = plain
    return ended, plain


CASES = [
    *product(SERVERS, ["SIGTERM"], COLLECTORS),
    ("uvicorn", "SIGINT", "up"),
]


@of(stopped)
@pytest.mark.parametrize(("server", "how", "collector"), CASES)
def test_a_server_that_stops_delivers_everything(server, how, collector, happened, arrived):
    ended, plain = happened
    print(
        f"{server} {how}, Collector {collector}: code {ended.code} in {ended.seconds:.2f} s; "
        f"without us {plain.code} in {plain.seconds:.2f} s"
    )
    assert ended.code == plain.code, ended.err
    processes = 1 if server == "uvicorn" or collector != "hangs" else 2
    assert ended.seconds < plain.seconds + LONGER_S[collector] * processes, ended.err
    assert "Traceback" not in ended.err
    arrived.exactly_once(range(REQUESTS))
    assert arrived.counted["handled"] == REQUESTS
