"""The pytest plugin, by test files of a project that uses it."""

import pytest
from support.instrumented import NO_EXPORT, run_python

pytest_plugins = ["pytester"]

# Loaded by its module, whether or not the project's entry point is installed here.
LOADED = ("-p", "otel_distro.testing.plugin", "-W", "error")


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs a test file, and returns the outcome."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(code, *options):
        pytester.makepyfile(code)
        # In a process of its own: within this one `pytester` forgets what the inner run was first
        # to import, and two copies of OpenTelemetry would have two sets of globals.
        return pytester.runpytest_subprocess(*LOADED, *options)

    return run


def test_spans_metrics_and_logs_are_captured(run):
    run(
        """
        import logging
        import pytest
        from opentelemetry import metrics, trace
        from otel_distro.instruments.metrics import increment
        from otel_distro.logger import get_logger

        tracer = trace.get_tracer("app")
        counter = metrics.get_meter("app").create_counter("jobs", "{job}")

        @pytest.mark.parametrize("time", ["first", "second", "third"])
        def test_all(telemetry, time):
            with tracer.start_as_current_span("outer"):
                with tracer.start_as_current_span("inner", attributes={"time": time}):
                    counter.add(2, {"time": time})
                    increment("orders", 1, {"time": time})
                    logging.getLogger("app").warning("said %s", time)
            get_logger("api").info("ours", shop="a")
            assert [span.name for span in telemetry.spans] == ["inner", "outer"]
            inner = telemetry.span("inner")
            assert inner.parent.span_id == telemetry.span("outer").context.span_id
            assert dict(inner.attributes) == {"time": time}
            assert list(telemetry.metrics) == ["jobs", "orders"]
            (point,) = telemetry.metrics["jobs"]
            assert point.value == 2
            assert telemetry.point("orders", {"time": time}).value == 1
            record = telemetry.log(f"said {time}")
            assert record.log_record.trace_id == inner.context.trace_id
            assert record.instrumentation_scope.name == "app"
            assert telemetry.log("ours").log_record.attributes["shop"] == "a"
            assert len(telemetry.logs) == 2
        """
    ).assert_outcomes(passed=3)


def test_nothing_of_one_test_is_in_the_next(run):
    run(
        """
        import pytest
        from opentelemetry import baggage, context, trace
        from otel_distro.instruments import agents
        from otel_distro.instruments.metrics import metrics
        from otel_distro import notices

        late = []

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(telemetry, time, capsys):
            assert telemetry.spans == telemetry.logs == []
            assert telemetry.metrics == {}
            assert metrics.get_counters() == {}
            assert not trace.get_current_span().get_span_context().is_valid
            for span in late:
                span.end()
            assert telemetry.spans == []
            late.append(trace.get_tracer("app").start_span("late"))
            context.attach(trace.set_span_in_context(late[-1]))
            metrics.increment("orders")
            metrics.increment("orders", "no number")
            agents.queue_size(lambda: time)
            assert "no number" not in capsys.readouterr().err
            with agents.execution(agent_type="a"):
                pass
            assert telemetry.point("agents.queue.size").value == time
            assert telemetry.point("agents.executions", {"status": "success"}).value == 1
            assert telemetry.point("agents.executions", {"status": "error"}).value == 0
            trace.get_tracer_provider().shutdown()
        """
    ).assert_outcomes(passed=2)


def test_a_span_and_baggage_left_behind_are_not_in_the_test(run):
    run(
        """
        from opentelemetry import baggage, context, trace
        from opentelemetry.trace import NonRecordingSpan, SpanContext

        def test_without():
            left = NonRecordingSpan(SpanContext(1, 2, is_remote=False))
            context.attach(baggage.set_baggage("a", "b", trace.set_span_in_context(left)))

        def test_with(telemetry):
            trace.get_tracer("app").start_span("root").end()
            assert telemetry.span("root").parent is None
            assert baggage.get_all() == {}

        def test_after():
            assert trace.get_current_span().get_span_context().span_id == 2
        """
    ).assert_outcomes(passed=3)


def test_notices_are_said_again_in_each_test(run):
    run(
        """
        import pytest
        from otel_distro.instruments.metrics import metrics

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(telemetry, capsys, time):
            metrics.increment("orders", "no number")
            assert "of type str" in capsys.readouterr().err
        """
    ).assert_outcomes(passed=2)


def test_providers_from_before_are_back(run):
    run(
        """
        from opentelemetry import _logs, metrics, trace
        from opentelemetry.sdk.trace import TracerProvider
        from otel_distro.testing import reset_providers

        def test_outside():
            reset_providers()
            theirs = TracerProvider(shutdown_on_exit=False)
            trace.set_tracer_provider(theirs)
            test_outside.theirs = theirs

        def test_with(telemetry):
            assert trace.get_tracer_provider() is telemetry.tracer_provider
            assert metrics.get_meter_provider() is telemetry.meter_provider
            assert _logs.get_logger_provider() is telemetry.logger_provider

        def test_after():
            assert trace.get_tracer_provider() is test_outside.theirs
            assert "Proxy" in type(metrics.get_meter_provider()).__name__
            assert "Proxy" in type(_logs.get_logger_provider()).__name__
            reset_providers()
        """
    ).assert_outcomes(passed=3)


def test_an_environment_that_disables_the_sdk_does_not_disable_the_fixture(run, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    run(
        """
        from opentelemetry import trace

        def test_it(telemetry):
            trace.get_tracer("app").start_span("one").end()
            assert telemetry.span("one")
        """
    ).assert_outcomes(passed=1)


DETERMINISTIC = """
    import logging
    import pytest
    from opentelemetry import metrics, trace

    tracer = trace.get_tracer("app")

    @pytest.mark.parametrize("time", [1, 2])
    def test_it(FIXTURE, time):
        telemetry = FIXTURE
        with tracer.start_as_current_span("outer"):
            with tracer.start_as_current_span("inner") as span:
                span.add_event("between")
            logging.getLogger("app").warning("said")
            metrics.get_meter("app").create_counter("jobs").add(1)
        with tracer.start_as_current_span("next"):
            pass
        start = 1_767_225_600_000_000_000
        seen = [
            (span.name, span.context.trace_id, span.context.span_id,
             (span.start_time - start) // 1_000_000, (span.end_time - start) // 1_000_000)
            for span in telemetry.spans
        ]
        assert seen == [("inner", 1, 2, 2, 4), ("outer", 1, 1, 1, 6), ("next", 2, 3, 7, 8)]
        assert telemetry.span("inner").events[0].timestamp == start + 3_000_000
        assert telemetry.span("inner").instrumentation_scope.name == "app"
        record = telemetry.log("said").log_record
        assert record.timestamp == record.observed_timestamp == start + 5_000_000
        point = telemetry.point("jobs")
        assert point.start_time_unix_nano == start
        assert point.time_unix_nano == start + 9_000_000
"""


def test_ids_and_times_are_the_same_in_every_run(run):
    run(DETERMINISTIC.replace("FIXTURE", "deterministic_telemetry")).assert_outcomes(passed=2)


def test_without_the_fixture_ids_and_times_are_real(run):
    run(DETERMINISTIC.replace("FIXTURE", "telemetry")).assert_outcomes(failed=2)


def test_looking_for_what_is_not_there_shows_what_is(run):
    result = run(
        """
        from opentelemetry import trace
        from otel_distro.instruments.metrics import increment

        def test_span(telemetry):
            trace.get_tracer("app").start_span("one").end()
            telemetry.span("two")

        def test_point(telemetry):
            increment("orders", 1, {"shop": "a"})
            telemetry.point("orders", {"shop": "b"})

        def test_log(telemetry):
            telemetry.log("hello")
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*expected one span named 'two', found 0; there are: one",
            "*expected one point of 'orders' with {'shop': 'b'}, found 0; * {'shop': 'a'}",
            "*expected one log record 'hello', found 0; there are: no records",
        ]
    )


STARTED = """
import sys, pathlib, pytest
pathlib.Path("test_one.py").write_text("def test_one(BODY): pass")
options = ["-q", "-p", "no:cacheprovider", "-W", "error"]
assert pytest.main([*options, "-p", "otel_distro.testing.plugin"]) == 0
print(*[name for name in ("opentelemetry.sdk", "opentelemetry.metrics") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("fixture", "loaded"), [("", ""), ("telemetry", "opentelemetry.sdk opentelemetry.metrics")]
)
def test_the_sdk_is_imported_when_a_fixture_is_used(fixture, loaded, tmp_path):
    done = run_python(
        STARTED.replace("BODY", fixture),
        instrumented=False,
        cwd=tmp_path,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == loaded


CONFIGURED = """
import pathlib, pytest, textwrap
pathlib.Path("test_one.py").write_text(textwrap.dedent('''
    import logging
    import otel_distro
    import pytest
    BEFORE

    @pytest.mark.parametrize("time", [1, 2])
    def test_one(telemetry, time):
        configured = otel_distro.configure(service_name="app", instrument=False)
        logging.getLogger("app").warning("once")
        assert telemetry.log("once").instrumentation_scope.name == "app"
        if time == 2:
            configured.shutdown()
            logging.getLogger("app").warning("after")
            assert telemetry.log("after")
'''))
assert pytest.main(["-q", "-p", "no:cacheprovider", "-p", "otel_distro.testing.plugin"]) == 0
"""


@pytest.mark.parametrize(
    "before", ["", "otel_distro.configure(service_name='app', instrument=False)"]
)
def test_logs_are_captured_once_where_the_application_configures_itself(before, tmp_path):
    done = run_python(
        CONFIGURED.replace("BEFORE", before),
        instrumented=False,
        cwd=tmp_path,
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
        **NO_EXPORT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
