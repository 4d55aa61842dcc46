"""The resource: who emits the telemetry.

Stands outside `providers`: the SDK runs the detectors that `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`
names while it is being imported, when providers cannot be.
"""

import sys
import threading
import time
from pathlib import Path
from typing import Final

from opentelemetry.sdk.resources import OTELResourceDetector, Resource, ResourceDetector
from opentelemetry.sdk.version import __version__ as sdk_version

from otel_distro.installed import entry_points
from otel_distro.notices import describe, notice
from otel_distro.settings import Service, Settings, read_settings
from otel_distro.version import __version__

DISTRO_NAME: Final = "blipee-otel-distro"

# Detectors that ask a metadata service of a cloud may wait for seconds where there is none.
_DETECTION_DEADLINE_S: Final = 0.5


class BlipeeResourceDetector(ResourceDetector):
    """Blipee's own attributes, for declarative configuration (`detectors: - blipee:`)."""

    def detect(self) -> Resource:
        """Return the attributes that the environment implies. Does not raise."""
        return Resource(_service_attributes(read_settings().service))


def unknown_service() -> str:
    """Return the specification's name for a service that nobody named."""
    return f"unknown_service:{Path(sys.executable or 'python').name}"


def create_resource(settings: Settings) -> Resource:
    """Build the resource; later wins: detectors, ours, the standard variables, what code said.

    Not by `Resource.create`, which waits for a slow detector however long it takes. A detector
    that is slow or raises costs its own attributes only, and is named once.
    """
    detected = _detect(_load(settings.resource_detectors))
    resource = Resource(
        {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": sdk_version,
            "service.name": unknown_service(),
        }
    )
    for found in (
        *detected,
        Resource(_service_attributes(settings.service)),
        OTELResourceDetector().detect(),
        Resource(settings.service.attributes),
    ):
        resource = resource.merge(found)
    return resource


def _service_attributes(service: Service) -> dict[str, str]:
    attributes = {
        "service.namespace": service.namespace,
        "service.version": service.version,
        "deployment.environment.name": service.environment,
        "telemetry.distro.name": DISTRO_NAME,
        "telemetry.distro.version": __version__,
    }
    if service.kind is not None:
        attributes["blipee.service.kind"] = service.kind
    return attributes


def _load(names: tuple[str, ...]) -> list[tuple[str, ResourceDetector]]:
    loaded: list[tuple[str, ResourceDetector]] = []
    for name in names:
        for point in entry_points(group="opentelemetry_resource_detector", name=name):
            try:
                loaded.append((name, point.load()()))
            except Exception as error:  # noqa: BLE001 - a plugin's
                _report(name, f"could not be loaded ({describe(error)})")
            break
    return loaded


def _detect(detectors: list[tuple[str, ResourceDetector]]) -> list[Resource]:
    """Run all detectors at once and take what is there at the deadline, in their order."""
    found: dict[str, Resource] = {}

    def run(name: str, detector: ResourceDetector) -> None:
        try:
            resource = detector.detect()
        except BaseException as error:  # noqa: BLE001 - a plugin's; SystemExit ends the thread only
            _report(name, f"raised {describe(error)}")
            return
        if isinstance(resource, Resource):
            found[name] = resource
        else:
            _report(name, f"returned {type(resource).__name__}")

    threads: list[tuple[str, threading.Thread]] = []
    for name, detector in detectors:
        thread = threading.Thread(target=run, args=(name, detector), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # No more threads are to be had: then it may take its time.
            run(name, detector)
        else:
            threads.append((name, thread))
    deadline = time.monotonic() + _DETECTION_DEADLINE_S
    for name, thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
        if thread.is_alive():
            _report(name, f"took longer than {_DETECTION_DEADLINE_S} s")
    return [found[name] for name, _ in detectors if name in found]


def _report(name: str, what: str) -> None:
    notice(
        f"detector {name}",
        f"resource detector {name!r} {what}; its attributes are missing. "
        "Take it out of OTEL_EXPERIMENTAL_RESOURCE_DETECTORS if that is expected.",
    )
