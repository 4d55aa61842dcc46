"""What transports cost a process at its start, and how they behave at its end and in a fork."""

import sys
import textwrap

import pytest
from support.instrumented import run_python
from support.misbehaving import GrpcServer, HttpServer, certificates

OPEN = """
from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.transport import open_transport
transport = open_transport("traces", Endpoint(url={url!r}, protocol={protocol!r}))
"""
HEAVY = ("grpc", "ssl", "http.client", "google.protobuf", "requests", "urllib3", "logging")


def opening(server):
    grpc = isinstance(server, GrpcServer)
    return OPEN.format(url=server.url(), protocol="grpc" if grpc else "http/protobuf")


@pytest.fixture(params=[HttpServer, GrpcServer])
def server(request):
    with request.param() as server:
        yield server


def run(code):
    done = run_python(code, instrumented=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_to_open_a_transport_imports_nothing_heavy(protocol):
    code = "import sys\nimport otel_distro.delivery\nbefore = set(sys.modules)\n" + OPEN.format(
        url="http://localhost:4318/v1/traces", protocol=protocol
    )
    show = f"print(*[name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    assert run(code + show).split() == []


def test_a_request_over_http_imports_neither_grpc_nor_protobuf_nor_a_client_that_logs():
    with HttpServer() as server:
        said = run(opening(server) + "import sys\nprint(transport.send(b'x', 5), *sys.modules)")
    assert said.startswith("Accepted")
    heavy = {"grpc", "google.protobuf", "requests", "urllib3", "opentelemetry.exporter"}
    assert not heavy & {*said.split()}


def test_a_daemon_thread_may_send_for_the_first_time_while_the_process_ends(server):
    run(
        opening(server)
        + textwrap.dedent("""
        import atexit, threading
        ending, sent = threading.Event(), threading.Event()
        def deliver():
            ending.wait()
            print(transport.send(b"last", 5))
            sent.set()
        threading.Thread(target=deliver, daemon=True).start()
        @atexit.register
        def end():
            ending.set()
            assert sent.wait(10)
        """)
    )
    assert server.accepted["traces"] == [b"last"]


def test_a_child_closes_at_once_what_its_parent_opened_and_sends_on_its_own(server):
    run(opening(server) + FORK.format(opening=textwrap.indent(opening(server), "    ")))
    assert server.accepted["traces"] == [b"parent", b"child", b"parent again"]


FORK = """
import os, signal, warnings
warnings.simplefilter("ignore")  # of forks with threads
print(transport.send(b"parent", 5), flush=True)
child = os.fork()
if child == 0:
    signal.alarm(15)
    transport.close()
{opening}
    print(transport.send(b"child", 5), flush=True)
    transport.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
print(transport.send(b"parent again", 5))
"""

QUIET = """
from otel_distro.delivery.endpoint import Endpoint
from otel_distro.delivery.transport import open_transport
endpoint = Endpoint(url={url!r}, protocol="grpc", certificate={other!r})
print(open_transport("traces", endpoint).send(b"x", 5).slowly)
import os
print(os.environ.get("GRPC_VERBOSITY"))
"""


def test_grpc_writes_nothing_of_its_own_unless_it_is_asked_to(tmp_path):
    files, other = certificates(tmp_path / "a"), certificates(tmp_path / "b")
    with GrpcServer(tls=files) as server:
        code = QUIET.format(url=server.url(), other=str(other.authority))
        assert run(code).split() == ["True", "None"]
        asked = run_python(code, instrumented=False, GRPC_VERBOSITY="info")
    assert asked.stdout.split() == ["True", "info"]
    assert "Handshake failed" in asked.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_file_stays_open(server):
    code = opening(server) + textwrap.dedent("""
        import os
        transport.send(b"x", 5)
        transport.close()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            print(transport.send(b"x", 5))
            transport.close()
        assert len(os.listdir("/proc/self/fd")) <= before + 10  # gRPC closes a little later
        """)
    run(code)
