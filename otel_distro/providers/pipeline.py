"""The pipeline of a process, from its settings."""

from opentelemetry.sdk.resources import Resource

from otel_distro.delivery import Batching, DeliverySettings, Signal, SpoolSettings
from otel_distro.delivery.pipeline import Pipeline
from otel_distro.notices import notice
from otel_distro.settings import Settings, names

OTLP_NAMES = frozenset({"otlp", "otlp_proto_http", "otlp_proto_grpc"})
# A reader has gathered them already.
_METRICS = Batching(schedule_delay_ms=0)
_MIB = 1024 * 1024


def create_pipeline(settings: Settings, resource: Resource) -> Pipeline:
    """Build the pipeline of all signals that are exported by OTLP. Starts nothing."""
    return Pipeline(delivery_settings(settings, _service_of(resource)), notice)


def delivery_settings(settings: Settings, service: str) -> DeliverySettings:
    """Return how a pipeline of a service, as the spool names it, delivers."""
    batching: dict[Signal, Batching] = {"metrics": _METRICS, **settings.batches}
    endpoints = {
        signal: export.endpoint
        for signal, export in settings.exports.items()
        if OTLP_NAMES.intersection(export.exporters)
    }
    return DeliverySettings(
        endpoints=endpoints,
        batching=batching,
        spool=_spool_settings(settings, service) if endpoints else None,
        window_s=settings.spooling.window_ms / 1000,
    )


def _spool_settings(settings: Settings, service: str) -> SpoolSettings | None:
    """Return where the spool is; None for memory only."""
    spooling = settings.spooling
    if not spooling.is_wanted:
        return None
    if spooling.folder is None:
        notice(
            "no spool",
            "there is no home directory: what cannot be delivered is kept in memory only. "
            f"Set {names.SPOOL_DIR}, or {names.SPOOL}=off.",
        )
        return None
    return SpoolSettings(
        root=spooling.folder,
        service=service,
        max_bytes=spooling.max_mib * _MIB,
        retention_s=spooling.retention_h * 3600.0,
        fsync=spooling.fsync,
    )


def _service_of(resource: Resource) -> str:
    """Return the name under which processes of one service find each other's spool."""
    said = resource.attributes
    keys = ("service.namespace", "service.name", "deployment.environment.name")
    return ".".join(str(said[key]) for key in keys if key in said)
