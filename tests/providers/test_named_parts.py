"""Samplers, id generators and propagators by name; a plugin that fails costs itself only."""

import pytest
from opentelemetry import baggage, trace
from opentelemetry.propagate import get_global_textmap
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers import Providers
from otel_distro.settings import read_settings

NOWHERE = {**NO_EXPORT, "OTEL_SERVICE_NAME": "app"}
GROUPS = {
    "OTEL_TRACES_SAMPLER": "opentelemetry_traces_sampler",
    "OTEL_PYTHON_ID_GENERATOR": "opentelemetry_id_generator",
    "OTEL_PROPAGATORS": "opentelemetry_propagator",
}
STANDARD = {
    "OTEL_TRACES_SAMPLER": lambda providers: providers.tracer_provider.sampler.get_description(),
    "OTEL_PYTHON_ID_GENERATOR": lambda providers: type(providers.tracer_provider.id_generator),
    "OTEL_PROPAGATORS": lambda providers: providers.propagator.fields,
}


def built(**variables):
    providers = Providers(read_settings({**NOWHERE, **variables}))
    # Each is built when it is asked for; here all of them.
    _ = providers.tracer_provider, providers.meter_provider, providers.logger_provider
    _ = providers.propagator
    return providers


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("always_on", "", "AlwaysOnSampler"),
        ("always_off", "", "AlwaysOffSampler"),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("traceidratio", "0", "TraceIdRatioBased{0.0}"),
        ("traceidratio", "", "TraceIdRatioBased{1.0}"),
        ("parentbased_always_on", "", "ParentBased{root:AlwaysOnSampler"),
        ("parentbased_always_off", "", "ParentBased{root:AlwaysOffSampler"),
        ("parentbased_traceidratio", "0.5", "ParentBased{root:TraceIdRatioBased{0.5}"),
        ("", "", "ParentBased{root:AlwaysOnSampler"),
        ("every", "third", "Every(third)"),
        ("every", "", "Every(None)"),
    ],
)
def test_a_sampler_has_its_name_and_its_argument(name, argument, description, plugins):
    provider = built(OTEL_TRACES_SAMPLER=name, OTEL_TRACES_SAMPLER_ARG=argument).tracer_provider
    assert provider.sampler.get_description().startswith(description)


def test_an_id_generator_is_random_or_the_plugin_that_is_named(plugins):
    assert isinstance(built().tracer_provider.id_generator, RandomIdGenerator)
    named = built(OTEL_PYTHON_ID_GENERATOR="counting").tracer_provider
    assert named.get_tracer("t").start_span("s").get_span_context().trace_id == 77


@pytest.mark.parametrize(
    ("names", "headers"),
    [
        ("", {"traceparent", "baggage"}),
        ("tracecontext", {"traceparent"}),
        ("baggage", {"baggage"}),
        ("none", set()),
        ("tracecontext,none", set()),
        ("tracecontext,homing", {"traceparent", "pigeon"}),
    ],
)
def test_the_propagators_that_are_named_write_their_headers(names, headers, plugins):
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1)))
    context = baggage.set_baggage("k", "v", set_span_in_context(span))
    carrier = {}
    built(OTEL_PROPAGATORS=names).propagator.inject(carrier, context)
    assert carrier.keys() == headers


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("variable", GROUPS)
@pytest.mark.parametrize(
    ("plugin", "fault"),
    [
        ("raising", "RuntimeError: wrong version"),
        ("missing", "AttributeError"),
        ("careless", "TypeError: it is no "),
    ],
)
def test_a_plugin_that_fails_is_named_once_and_the_standard_part_is_used(
    variable, plugin, fault, said, caplog
):
    providers = built(**{variable: f"{plugin},baggage" if "PROPAG" in variable else plugin})
    (line,) = said()
    assert line.startswith(f"{GROUPS[variable]} '{plugin}' failed ({fault}")
    standard = built(**{variable: "baggage" if "PROPAG" in variable else ""})
    assert STANDARD[variable](providers) == STANDARD[variable](standard)
    assert caplog.messages == []


def test_building_providers_makes_nothing_global():
    before = trace.get_tracer_provider(), get_global_textmap()
    built(OTEL_PROPAGATORS="none")
    assert (trace.get_tracer_provider(), get_global_textmap()) == before


def test_plugins_that_fail_leave_one_line_each_and_a_running_application(plugins, request):
    done = run_python(
        "print('ran')",
        PYTHONPATH=f"{plugins}:{request.path.parent}",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        OTEL_TRACES_SAMPLER="raising",
        OTEL_PYTHON_ID_GENERATOR="careless",
        OTEL_TRACES_EXPORTER="raising",
        OTEL_METRICS_EXPORTER="raising,keepsmetrics",
        OTEL_LOGS_EXPORTER="missing",
    )
    assert (done.stdout, done.returncode) == ("ran\n", 0)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("blipee-otel: ") for line in lines)
    assert len(lines) == 5
