"""What a process imports, and scans, before the application begins."""

import pytest
from support.instrumented import NO_EXPORT, run_python

# Without what an interpreter, the SDK or upstream's loader has anyway.
NOT_AT_START = (
    "fastapi",
    "google.protobuf",
    "grpc",
    "httpx",
    "jsonschema",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation.asgi",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.instrumentation.httpx",
    "opentelemetry.proto",
    "otel_distro.cli",
    "otel_distro.collector",
    "otel_distro.delivery.transport.connection",
    "otel_distro.instrumentation.database.asyncpg",
    "otel_distro.instrumentation.database.sqlalchemy",
    "otel_distro.instrumentation.fastapi",
    "otel_distro.instrumentation.starlette",
    "pydantic",
    "requests",
    "sentry_sdk",
    "sqlalchemy",
    "starlette",
    "structlog",
    "urllib3",
    "yaml",
)
COUNTED = """
import importlib.metadata
scans, scan = [], importlib.metadata.distributions
def counted(**wanted):
    if not wanted.get("name"):
        scans.append(wanted)
    return scan(**wanted)
importlib.metadata.distributions = counted
"""
CALL = "import otel_distro; otel_distro.configure()\n"
# What `opentelemetry-instrument` does in the process that it has started.
COMMAND = (
    "from opentelemetry.instrumentation.auto_instrumentation import initialize; initialize()\n"
)


def printed(code, *, instrumented=False, **variables):
    done = run_python(code, instrumented=instrumented, OTEL_SERVICE_NAME="app", **variables)
    assert done.returncode == 0
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("protocol", "other"),
    [
        ("http/protobuf", ("otel_distro.delivery.transport.grpc",)),
        ("grpc", ("otel_distro.delivery.transport.http",)),
    ],
)
@pytest.mark.parametrize(("code", "instrumented"), [(CALL, False), ("", True)])
def test_what_this_process_may_never_need_is_not_imported(code, instrumented, protocol, other):
    show = f"import sys\nprint(*[name for name in {NOT_AT_START + other!r} if name in sys.modules])"
    assert not printed(
        code + show,
        instrumented=instrumented,
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )


@pytest.mark.parametrize("module", ["otel_distro", "otel_distro.version", "otel_distro.command"])
def test_the_package_itself_imports_nothing(module):
    code = f"import sys, {module}; print(*[name for name in sys.modules if 'otel_distro' in name])"
    (line,) = printed(code)
    assert set(line.split()) == {"otel_distro", "otel_distro.version", module}


@pytest.mark.parametrize("start", [CALL, COMMAND])
def test_what_is_installed_is_scanned_once(start):
    assert printed(f"{COUNTED}{start}print(len(scans))") == ["1"]


def test_a_path_that_was_added_since_is_scanned_too(tmp_path):
    info = tmp_path / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nlate = late:Late\n")
    look = "entry_points(group='opentelemetry_instrumentor', name='late')"
    code = f"""
import sys
from otel_distro.installed import entry_points
print([point.value for point in {look}])
sys.path.append({str(tmp_path)!r})
print([point.value for point in {look}])
"""
    assert printed(code) == ["[]", "['late:Late']"]


@pytest.mark.parametrize(
    ("instrumented", "code"),
    [(True, ""), (False, "import otel_distro; otel_distro.configure()")],
    ids=["by the command", "in code"],
)
def test_what_is_there_before_the_application_and_that_alone_is_frozen(instrumented, code):
    done = run_python(
        f"""{code}
import gc, weakref
class Cycle:
    def __init__(self):
        self.itself = self
cycle = weakref.ref(Cycle())
gc.collect()
print(gc.get_freeze_count() > 0, cycle())
""",
        instrumented=instrumented,
        **NO_EXPORT,
    )
    assert done.stdout == f"{instrumented} None\n", done.stderr
