"""What each setting is when it is said well, and which of several sayings wins."""

import logging

import pytest
from bad_values import HERE, READ

from otel_distro.settings import SIGNALS, InCode, names, read_settings
from otel_distro.settings.model import DEFAULT_HEALTH_URLS

STANDARD_DETECTORS = ("service_instance", "process", "host", "os", "containerid")

GOOD = (
    ("OTEL_SDK_DISABLED", "TRUE", True),
    ("OTEL_SDK_DISABLED", "false", False),
    ("OTEL_CONFIG_FILE", HERE, HERE),
    ("OTEL_SERVICE_NAME", "blipee-api", "blipee-api"),
    ("OTEL_SERVICE_NAME", "café ☕", "café ☕"),
    ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a%20b, team=core,", "a b"),
    ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a=b", "a=b"),
    ("OTEL_RESOURCE_ATTRIBUTES", "service.name=Malmö,a/b:c@d=e", "Malmö"),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "otel,process", STANDARD_DETECTORS),
    ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "*", STANDARD_DETECTORS),
    ("OTEL_PROPAGATORS", "baggage", ("baggage",)),
    ("OTEL_PROPAGATORS", "none", ("none",)),
    ("OTEL_TRACES_SAMPLER", "always_off", "always_off"),
    ("OTEL_TRACES_SAMPLER_ARG", "for a sampler of theirs", "for a sampler of theirs"),
    ("OTEL_PYTHON_ID_GENERATOR", "random", "random"),
    ("OTEL_BSP_SCHEDULE_DELAY", "1", 1),
    ("OTEL_BSP_EXPORT_TIMEOUT", "+5000", 5000),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "2147483647", 2**31 - 1),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2048", 2048),
    ("OTEL_BLRP_SCHEDULE_DELAY", "007", 7),
    ("OTEL_BLRP_EXPORT_TIMEOUT", " 10 ", 10),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", "1", 1),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1", 1),
    ("OTEL_METRIC_EXPORT_INTERVAL", "60000", 60_000),
    ("OTEL_METRIC_EXPORT_TIMEOUT", "500", 500),
    ("OTEL_TRACES_EXPORTER", "console, otlp", ("console", "otlp")),
    ("OTEL_METRICS_EXPORTER", "none", ()),
    ("OTEL_LOGS_EXPORTER", "otlp_proto_http", ("otlp_proto_http",)),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC", "grpc"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a%20b,x=", {"api-key": "a b", "x": ""}),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500", 2.5),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "gzip"),
    ("OTEL_EXPORTER_OTLP_INSECURE", "True", True),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", HERE, HERE),
    ("OTEL_PYTHON_EXCLUDED_URLS", "/internal/.*, /ping", ("/internal/.*", "/ping")),
    ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "(?i:/a)", ("(?i:/a)",)),
    ("BLIPEE_OTEL_HEALTH_URLS", "/up$", ("/up$",)),
    ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "httpx , fastapi", ("httpx", "fastapi")),
    ("OTEL_PYTHON_LOG_HANDLER_LEVEL", "WARN", logging.WARNING),
    ("OTEL_PYTHON_LOG_CODE_ATTRIBUTES", "true", True),
    ("BLIPEE_OTEL_SERVICE_KIND", "ML", "ml"),
    ("BLIPEE_OTEL_ENVIRONMENT", "production", "production"),
    ("BLIPEE_OTEL_INSTRUMENTATION", "upstream", "upstream"),
    ("BLIPEE_OTEL_CPU_BUDGET", "0.5", 0.5),
    ("BLIPEE_OTEL_CPU_BUDGET", "100", 100),
    ("BLIPEE_OTEL_CPU_BUDGET", "Off", 0),
    ("BLIPEE_OTEL_CPU_BUDGET", "0", 0),
    ("BLIPEE_OTEL_STREAMS_IN_LATENCY", "true", True),
    ("APP_VERSION", "2.1.0\n", "2.1.0"),
)

# Of one variable: what it is where nothing is said.
DEFAULTS = {
    "OTEL_SDK_DISABLED": False,
    "OTEL_CONFIG_FILE": None,
    "OTEL_SERVICE_NAME": None,
    "OTEL_RESOURCE_ATTRIBUTES": None,
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": STANDARD_DETECTORS,
    "OTEL_PROPAGATORS": ("tracecontext", "baggage"),
    "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    "OTEL_TRACES_SAMPLER_ARG": None,
    "OTEL_PYTHON_ID_GENERATOR": "random",
    "OTEL_BSP_SCHEDULE_DELAY": 5000,
    "OTEL_BSP_EXPORT_TIMEOUT": 30_000,
    "OTEL_BSP_MAX_QUEUE_SIZE": 16384,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 4096,
    "OTEL_BLRP_SCHEDULE_DELAY": 1000,
    "OTEL_BLRP_EXPORT_TIMEOUT": 30_000,
    "OTEL_BLRP_MAX_QUEUE_SIZE": 16384,
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": 4096,
    "OTEL_METRIC_EXPORT_INTERVAL": 15_000,
    "OTEL_METRIC_EXPORT_TIMEOUT": 30_000,
    "OTEL_TRACES_EXPORTER": ("otlp",),
    "OTEL_METRICS_EXPORTER": ("otlp",),
    "OTEL_LOGS_EXPORTER": ("otlp",),
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318/v1/traces",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://localhost:4318/v1/metrics",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://localhost:4318/v1/logs",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_HEADERS": {},
    "OTEL_EXPORTER_OTLP_TIMEOUT": 10.0,
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    "OTEL_EXPORTER_OTLP_INSECURE": None,
    "OTEL_EXPORTER_OTLP_CERTIFICATE": None,
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": None,
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": None,
    "OTEL_PYTHON_EXCLUDED_URLS": (),
    "BLIPEE_OTEL_HEALTH_URLS": DEFAULT_HEALTH_URLS,
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": (),
    "OTEL_PYTHON_LOG_HANDLER_LEVEL": logging.NOTSET,
    "OTEL_PYTHON_LOG_CODE_ATTRIBUTES": False,
    "BLIPEE_OTEL_SERVICE_KIND": None,
    "BLIPEE_OTEL_ENVIRONMENT": "development",
    "BLIPEE_OTEL_INSTRUMENTATION": "blipee",
    "BLIPEE_OTEL_CPU_BUDGET": 5,
    "BLIPEE_OTEL_STREAMS_IN_LATENCY": False,
    "APP_VERSION": "1.0.0",
}

COLLECTOR = "http://collector:4318"

# Protocol, general endpoint, endpoint of traces → where spans go.
ENDPOINTS = (
    (None, COLLECTOR, None, "http://collector:4318/v1/traces"),
    (None, f"{COLLECTOR}/", None, "http://collector:4318/v1/traces"),
    (None, f"{COLLECTOR}/otlp", None, "http://collector:4318/otlp/v1/traces"),
    (None, None, "http://spans:9/exactly/this/", "http://spans:9/exactly/this/"),
    (None, COLLECTOR, "http://spans:9", "http://spans:9"),
    (None, "https://[::1]:4318", None, "https://[::1]:4318/v1/traces"),
    ("grpc", None, None, "http://localhost:4317"),
    ("grpc", "http://collector:4317", None, "http://collector:4317"),
    ("grpc", "collector:4317", None, "collector:4317"),
    ("grpc", "http://collector:4317", "spans:9", "spans:9"),
)

# Setting, general value, value of logs, what logs then have, what traces then have.
OF_ONE_SIGNAL = (
    ("PROTOCOL", "grpc", "http/protobuf", "http/protobuf", "grpc"),
    ("HEADERS", "a=1", "b=2", {"b": "2"}, {"a": "1"}),
    ("TIMEOUT", "1000", "2000", 2.0, 1.0),
    ("COMPRESSION", "gzip", "none", "none", "gzip"),
    ("INSECURE", "true", "false", False, True),
    ("CERTIFICATE", HERE, "/dev/null", "/dev/null", HERE),
)


@pytest.mark.parametrize(("variable", "value", "expected"), GOOD)
def test_a_good_value_is_used_without_a_word(variable, value, expected):
    settings = read_settings({variable: value})
    assert READ[variable](settings) == expected
    assert settings.problems == ()


@pytest.mark.parametrize(("variable", "default"), DEFAULTS.items())
@pytest.mark.parametrize("blank", [None, "", " \t"])
def test_blank_is_unset_and_unset_is_the_default(variable, default, blank):
    settings = read_settings({} if blank is None else {variable: blank})
    assert READ[variable](settings) == default
    assert settings.problems == ()


def test_a_blank_is_taken_out_of_the_environment_for_parts_that_take_it_for_a_value():
    blank = dict.fromkeys((*names.LIMITS, *names.CHOICES, *DEFAULTS), "")
    corrected = read_settings(blank).corrections
    assert {name: corrected[name] for name in (*names.LIMITS, *names.CHOICES)} == dict.fromkeys(
        (*names.LIMITS, *names.CHOICES)
    )


@pytest.mark.parametrize(
    ("variable", "value", "corrected"),
    [
        ("OTEL_METRICS_EXEMPLAR_FILTER", " Always_On", "always_on"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA", "delta"),
    ],
)
def test_a_choice_is_spelled_as_the_sdk_spells_it(variable, value, corrected):
    settings = read_settings({variable: value})
    assert settings.corrections[variable] == corrected
    assert settings.problems == ()


@pytest.mark.parametrize(("protocol", "general", "own", "expected"), ENDPOINTS)
def test_only_the_general_http_endpoint_gets_a_path(protocol, general, own, expected):
    said = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": general,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": own,
    }
    settings = read_settings({name: value for name, value in said.items() if value is not None})
    assert settings.exports["traces"].endpoint.url == expected
    assert settings.problems == ()


@pytest.mark.parametrize(("setting", "general", "own", "of_logs", "of_traces"), OF_ONE_SIGNAL)
def test_what_is_said_for_one_signal_wins_for_that_signal(
    setting, general, own, of_logs, of_traces
):
    settings = read_settings({names.otlp(setting): general, names.otlp(setting, "logs"): own})
    assert READ[names.otlp(setting, "logs")](settings) == of_logs
    assert READ[names.otlp(setting, "traces")](settings) == of_traces
    assert settings.problems == ()


def test_one_signal_may_have_another_protocol_and_then_another_default_port():
    settings = read_settings({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"})
    assert settings.exports["metrics"].endpoint.url == "http://localhost:4317"
    assert settings.exports["traces"].endpoint.url == "http://localhost:4318/v1/traces"


def test_an_exporter_whose_name_says_its_protocol_has_it():
    settings = read_settings(
        {"OTEL_TRACES_EXPORTER": "otlp_proto_grpc", "OTEL_LOGS_EXPORTER": "otlp_proto_http"}
    )
    assert settings.exports["traces"].endpoint.protocol == "grpc"
    assert settings.exports["traces"].endpoint.url == "http://localhost:4317"
    assert settings.exports["logs"].endpoint.protocol == "http/protobuf"


def test_a_client_certificate_may_be_said_in_two_halves():
    settings = read_settings(
        {"OTEL_EXPORTER_OTLP_CLIENT_KEY": HERE, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": HERE}
    )
    endpoint = settings.exports["logs"].endpoint
    assert (endpoint.client_key, endpoint.client_certificate) == (HERE, HERE)
    assert settings.problems == ()


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
@pytest.mark.parametrize(
    ("argument", "ratio"), [("", "1.0"), ("0", "0.0"), ("0.25", "0.25"), ("1", "1.0")]
)
def test_a_ratio_sampler_has_a_ratio(sampler, argument, ratio):
    settings = read_settings({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert (settings.sampling.sampler, settings.sampling.argument) == (sampler, ratio)
    assert settings.problems == ()


@pytest.mark.parametrize(("queue", "size"), [("100", 100), ("4096", 4096), ("8192", 4096)])
def test_the_default_batch_fits_a_small_queue(queue, size):
    settings = read_settings({"OTEL_BLRP_MAX_QUEUE_SIZE": queue})
    assert settings.batches["logs"].max_export_batch_size == size
    assert settings.problems == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api", "api"),
        ("blipee-api", "api"),
        ("Blipee_Agents", "agents"),
        ("eu.ml.v2", "ml"),
        ("database-primary", "database"),
        ("apiary", None),
        ("worker", None),
    ],
)
def test_the_kind_is_a_word_of_the_name(name, kind):
    assert read_settings({"OTEL_SERVICE_NAME": name}).service.kind == kind
    attributes = {"OTEL_RESOURCE_ATTRIBUTES": f"service.name={name}"}
    assert read_settings(attributes).service.kind == kind


def test_a_kind_that_is_said_wins_over_the_name():
    said = {"OTEL_SERVICE_NAME": "blipee-api", "BLIPEE_OTEL_SERVICE_KIND": "ml"}
    assert read_settings(said).service.kind == "ml"


def test_the_service_name_wins_over_the_resource_attributes():
    said = {"OTEL_SERVICE_NAME": "one", "OTEL_RESOURCE_ATTRIBUTES": "service.name=two"}
    assert read_settings(said).service.name == "one"


def test_fastapi_has_excluded_urls_of_its_own_and_the_health_urls_stay():
    said = {"OTEL_PYTHON_EXCLUDED_URLS": "/a", "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "/b"}
    assert read_settings(said).excluded_urls == ("/b", *DEFAULT_HEALTH_URLS)


def test_what_is_said_in_code_wins_over_the_environment():
    settings = read_settings(
        {
            "OTEL_SERVICE_NAME": "environment",
            "OTEL_RESOURCE_ATTRIBUTES": "team=environment",
            "BLIPEE_OTEL_SERVICE_KIND": "database",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://environment",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://environment/traces",
            "OTEL_EXPORTER_OTLP_HEADERS": "from=environment",
        },
        InCode(
            service_name="code",
            service_version="9",
            service_kind="ml",
            environment="test",
            resource_attributes={"team": "code"},
            endpoint="http://code",
            headers={"from": "code"},
        ),
    )
    assert settings.service.name == "code"
    assert settings.service.kind == "ml"
    assert settings.service.attributes == {
        "service.name": "code",
        "service.version": "9",
        "deployment.environment.name": "test",
        "blipee.service.kind": "ml",
        "team": "code",
    }
    for signal in SIGNALS:
        endpoint = settings.exports[signal].endpoint
        assert endpoint.url == f"http://code/v1/{signal}"
        assert endpoint.headers == {"from": "code"}


@pytest.mark.parametrize(
    ("said", "set_to"),
    [
        ("", "http,database"),
        ("http/dup", "http/dup,database"),
        ("database", "database,http"),
        ("gen_ai_latest_experimental", "gen_ai_latest_experimental,http,database"),
    ],
)
def test_the_stable_conventions_are_on_unless_something_else_is_said_of_them(said, set_to):
    corrections = read_settings({"OTEL_SEMCONV_STABILITY_OPT_IN": said}).corrections
    assert corrections["OTEL_SEMCONV_STABILITY_OPT_IN"] == set_to


def test_health_checks_are_excluded_from_other_servers_and_not_from_clients():
    corrections = read_settings({"OTEL_PYTHON_DJANGO_EXCLUDED_URLS": "/mine"}).corrections
    assert corrections["OTEL_PYTHON_FLASK_EXCLUDED_URLS"] == ",".join(DEFAULT_HEALTH_URLS)
    assert "OTEL_PYTHON_DJANGO_EXCLUDED_URLS" not in corrections
    # httpx reads the general one: its call would carry no traceparent and cut the trace.
    assert "OTEL_PYTHON_EXCLUDED_URLS" not in corrections


def test_credentials_in_a_url_become_a_header_that_is_not_shown():
    url = "https://me:pass%40word@collector.example.com:4318/in"
    endpoint = read_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": url}).exports["logs"].endpoint
    assert endpoint.url == "https://collector.example.com:4318/in/v1/logs"
    assert endpoint.headers == {"authorization": "Basic bWU6cGFzc0B3b3Jk"}
    assert "pass" not in repr(endpoint)


@pytest.mark.parametrize("url", ["unix:///run/otel.sock", "dns:///collector:4317", "collector:443"])
def test_grpc_takes_its_own_kinds_of_names(url):
    settings = read_settings(
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    )
    assert settings.problems == ()
    assert settings.exports["traces"].endpoint.url == url


def test_the_applications_own_version_stays_in_its_environment():
    assert "APP_VERSION" not in read_settings({"APP_VERSION": "1.0\t2"}).corrections
