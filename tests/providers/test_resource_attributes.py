"""The resource says who emits; the standard variables win over ours, and code over both."""

import sys
from pathlib import Path

import pytest
import strange_plugins
from opentelemetry.sdk.resources import Resource

from otel_distro import resource as room
from otel_distro.resource import BlipeeResourceDetector, create_resource
from otel_distro.settings import InCode, read_settings
from otel_distro.version import __version__

DEFAULTS = {
    "service.namespace": "blipee",
    "service.version": "1.0.0",
    "deployment.environment.name": "development",
    "telemetry.distro.name": "blipee-otel-distro",
    "telemetry.distro.version": __version__,
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
}


@pytest.fixture
def attributes(monkeypatch):
    """Returns the attributes of the resource that variables and code make."""

    def attributes(in_code=None, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return dict(create_resource(read_settings(said=in_code or InCode())).attributes)

    return attributes


def test_nothing_said_gives_our_defaults_and_what_the_standard_detectors_find(attributes):
    found = attributes()
    assert found.items() >= DEFAULTS.items()
    assert {"service.instance.id", "process.pid", "host.name", "os.type"} <= found.keys()
    assert "blipee.service.kind" not in found


def test_a_service_that_nobody_named_is_unknown(attributes):
    assert attributes()["service.name"] == f"unknown_service:{Path(sys.executable).name}"


@pytest.mark.parametrize(
    ("name", "kind"), [("blipee-api", "api"), ("ml", "ml"), ("apiary", None), ("db", None)]
)
def test_the_kind_comes_from_the_name(name, kind, attributes):
    assert attributes(OTEL_SERVICE_NAME=name).get("blipee.service.kind") == kind


@pytest.mark.parametrize(
    ("variables", "attribute", "value"),
    [
        ({"APP_VERSION": "2"}, "service.version", "2"),
        ({"BLIPEE_OTEL_ENVIRONMENT": "prod"}, "deployment.environment.name", "prod"),
        ({"BLIPEE_OTEL_SERVICE_KIND": "ml"}, "blipee.service.kind", "ml"),
        ({"OTEL_SERVICE_NAME": "api"}, "service.name", "api"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a%20b"}, "service.name", "a b"),
        (
            {"OTEL_SERVICE_NAME": "one", "OTEL_RESOURCE_ATTRIBUTES": "service.name=two"},
            "service.name",
            "one",
        ),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=own"}, "service.namespace", "own"),
        (
            {"APP_VERSION": "2", "OTEL_RESOURCE_ATTRIBUTES": "service.version=3"},
            "service.version",
            "3",
        ),
        (
            {
                "BLIPEE_OTEL_ENVIRONMENT": "prod",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            },
            "deployment.environment.name",
            "test",
        ),
        (
            {"OTEL_SERVICE_NAME": "api", "OTEL_RESOURCE_ATTRIBUTES": "blipee.service.kind=ml"},
            "blipee.service.kind",
            "ml",
        ),
        ({"OTEL_RESOURCE_ATTRIBUTES": "process.pid=1"}, "process.pid", "1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "telemetry.sdk.name=fork"}, "telemetry.sdk.name", "fork"),
    ],
)
def test_the_standard_variables_win_over_ours_and_over_detectors(
    variables, attribute, value, attributes
):
    assert attributes(**variables)[attribute] == value


def test_what_code_says_wins_over_every_variable(attributes):
    found = attributes(
        InCode(
            service_name="code",
            service_version="9",
            service_kind="ml",
            environment="test",
            resource_attributes={"service.namespace": "code", "team": "core"},
        ),
        OTEL_SERVICE_NAME="environment",
        APP_VERSION="2",
        BLIPEE_OTEL_SERVICE_KIND="api",
        OTEL_RESOURCE_ATTRIBUTES="service.version=3,service.namespace=other,team=other,more=1",
    )
    assert found["service.name"] == "code"
    assert found["service.version"] == "9"
    assert found["blipee.service.kind"] == "ml"
    assert found["deployment.environment.name"] == "test"
    assert found["service.namespace"] == "code"
    assert found["team"] == "core"
    assert found["more"] == "1"


def test_a_detector_adds_its_own_and_overrides_none_of_ours(attributes, plugins):
    found = attributes(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="region")
    assert found["cloud.region"] == "eu"
    assert found["service.namespace"] == "blipee"


@pytest.mark.parametrize(
    ("order", "region"), [("region,otherregion", "us"), ("otherregion,region", "eu")]
)
def test_of_two_detectors_the_later_wins(order, region, attributes, plugins):
    assert attributes(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=order)["cloud.region"] == region


def test_a_detector_that_waits_does_not_delay_the_start(attributes, plugins, said, monkeypatch):
    monkeypatch.setattr(room, "_DETECTION_DEADLINE_S", 0.05)
    found = attributes(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="silent,region")
    try:
        assert not strange_plugins.NEVER.is_set()  # it waits still
        assert "late" not in found
        assert found["cloud.region"] == "eu"
        (line,) = said()
        assert "'silent' took longer than 0.05 s" in line
        assert "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS" in line
    finally:
        strange_plugins.NEVER.set()


@pytest.mark.parametrize(
    ("detector", "fault"),
    [
        ("raisingdetector", "raised ConnectionError: no metadata service"),
        ("exiting", "raised SystemExit: 1"),
        ("careless", "returned NoneType"),
        ("missing", "could not be loaded (AttributeError"),
    ],
)
def test_a_detector_that_fails_is_named_once_and_costs_its_own_attributes(
    detector, fault, attributes, plugins, said
):
    for _ in range(2):
        found = attributes(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=f"{detector},region")
        assert found["cloud.region"] == "eu"
        assert found["service.namespace"] == "blipee"
    (line,) = said()
    assert line.startswith(f"resource detector '{detector}' {fault}")


def test_the_detector_for_configuration_files_knows_our_attributes(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "blipee-ml")
    monkeypatch.setenv("APP_VERSION", "2")
    found = BlipeeResourceDetector().detect()
    assert isinstance(found, Resource)
    assert found.attributes["service.version"] == "2"
    assert found.attributes["blipee.service.kind"] == "ml"
    assert "service.name" not in found.attributes
