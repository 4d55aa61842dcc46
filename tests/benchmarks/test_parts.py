"""The parts of the harness: whom it compares, what it sends, what it counts."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

import pytest
from support.ports import free_ports

from benchmarks.overhead import arrivals, load
from benchmarks.overhead.contestants import INSIDE, install, read_contestants, web_versions

_CONTESTANTS = {one.name: one for one in read_contestants()}


def test_every_version_is_pinned():
    pins = [pin for one in _CONTESTANTS.values() for pin in one.requires]
    assert pins
    assert all("==" in pin for pin in [*pins, *web_versions()])


@pytest.mark.parametrize("name", ["bare", "ours", "upstream", "ddtrace", "logfire", "elastic"])
def test_those_it_is_about_are_compared(name):
    assert name in _CONTESTANTS


@pytest.mark.parametrize("contestant", _CONTESTANTS.values(), ids=_CONTESTANTS)
def test_nobody_sends_to_anybody_else(contestant):
    """Addresses are loopback's: `{otlp}` and `{sink}`."""
    addresses = [value for value in contestant.environment.values() if "//" in value]
    assert all("{sink}" in one or "{otlp}" in one for one in addresses)


def test_another_tree_takes_its_turn_after_ours(tmp_path):
    names = [one.name for one in read_contestants(beside=tmp_path)]
    assert names.index("beside") == names.index("ours") + 1


class _Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        assert self.path.startswith("/orders/")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()  # in a packet of its own
        self.wfile.write(b"{}")

    def log_message(self, *_words):
        pass


class _Server(ThreadingTCPServer):
    request_queue_size = 128  # for all connections of an open loop at once


@pytest.fixture
def orders():
    """Returns the port of a server; it waits for its connections' ends."""
    with _Server(("127.0.0.1", 0), _Orders) as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.05])
        serving.start()
        yield server.server_address[1]
        server.shutdown()
        serving.join()


def test_the_closed_loop_sends_as_many_as_it_was_told(orders):
    latencies, seconds = asyncio.run(load.closed_loop(orders, connections=4, requests=101))
    assert len(latencies) == 101
    assert 0 < min(latencies) <= max(latencies) <= seconds


def test_the_open_loop_sends_rate_times_seconds(orders):
    latencies = asyncio.run(load.open_loop(orders, rate=500, seconds=0.2))
    assert len(latencies) == 100


@contextmanager
def _sink():
    [port] = free_ports(1)
    process = subprocess.Popen([sys.executable, arrivals.SINK, str(port)])
    try:
        arrivals.wait_for(f"http://127.0.0.1:{port}/counts")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _send(url, body, method="POST", **headers):
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_the_sink_counts_what_speaks_no_otlp():
    transaction = json.dumps({"spans": [{}, {}]}).encode()
    envelope = b"\n".join(
        [
            b'{"event_id": "1"}',
            b'{"type": "transaction", "length": %d}' % len(transaction),
            transaction,
            b'{"type": "log", "item_count": 4, "length": 2}',
            b"{}",
            b'{"type": "client_report"}',
            b"{}",
        ]
    )
    items = [{"data": {"baseType": kind}} for kind in ("RequestData", "MessageData", "EventData")]
    with _sink() as url:
        _send(f"{url}/api/1/envelope/", envelope)
        for method, traces in (("PUT", "3"), ("POST", "4")):
            _send(f"{url}/v0.5/traces", b"\x90", method, **{"X-Datadog-Trace-Count": traces})
        _send(f"{url}/v2.1/track", json.dumps(items).encode())
        counts = json.loads(urllib.request.urlopen(f"{url}/counts", timeout=10).read())
    assert counts == {
        "sentry": {"spans": 3, "log_records": 4},
        "ddtrace": {"spans": 7},
        "azure": {"spans": 1, "log_records": 1},
    }


def test_samples_name_the_function_that_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(INSIDE))
    from sampling import Samples

    def busy():
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            sum(range(1000))

    samples = Samples()
    before = signal.getsignal(signal.SIGALRM)
    samples.begin()
    try:
        busy()
    finally:
        said = samples.end()
        signal.signal(signal.SIGALRM, before)
    assert max(said["own"], key=said["own"].get).endswith("busy")
    assert any("test_samples_name_the_function_that_runs" in name for name in said["below"])


@pytest.mark.collector
def test_an_environment_has_the_versions_that_were_asked_for():
    programs = install(_CONTESTANTS["bare"])
    asked = dict(pin.split("==") for pin in web_versions())
    said = subprocess.run(
        [
            programs / "python",
            "-c",
            "import importlib.metadata as m; print(m.version('fastapi'), m.version('uvicorn'))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [asked["fastapi"], asked["uvicorn"]]


@pytest.mark.collector
def test_the_repository_is_not_importable_where_it_is_not_installed():
    programs = install(_CONTESTANTS["upstream"])
    said = subprocess.run(
        [programs / "python", "-c", "import otel_distro"],
        capture_output=True,
        text=True,
        check=False,
        cwd=INSIDE,
    )
    assert "No module named 'otel_distro'" in said.stderr
