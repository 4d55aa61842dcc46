"""What docker-compose.yml and the files it mounts say, read once for the tests beside this file."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
COLLECTOR_CONFIG = ROOT / "collector-config"
SERVICES_CODE = ROOT / "examples" / "services"

DEMO = ("api", "agents", "ml", "database")

# What an image listens on where no file of ours says so.
IMAGE_PORTS = {
    "alertmanager": {9093},
    "grafana": {3000},
    "jaeger": {4317, 4318, 13133, 16686},
    "postgres": {5432},
    "prometheus": {9090},
    "redis": {6379},
}


def with_defaults(text: str) -> str:
    """Fill in `${VAR:-default}` and the Collector's `${env:VAR:-default}`."""
    return re.sub(r"\$\{(?:env:)?\w+:-([^}]*)\}", r"\1", text)


def load(path: Path) -> Any:
    return yaml.safe_load(with_defaults(path.read_text(encoding="utf-8")))


COMPOSE: dict[str, Any] = load(COMPOSE_FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: str) -> Iterator[tuple[str, PurePosixPath, str]]:
    """Source, target and mode of each volume of a service."""
    for volume in SERVICES[service].get("volumes", []):
        source, target, mode = (*volume.split(":"), "rw")[:3]
        yield source, PurePosixPath(target), mode


def on_host(service: str, path: str) -> Path | None:
    """Where a path of a container lies in this repository; None inside a named volume."""
    inside = PurePosixPath(path)
    for source, target, _ in mounts(service):
        if inside.is_relative_to(target):
            return ROOT / source / inside.relative_to(target) if source[0] == "." else None
    raise LookupError(f"{service} mounts nothing at {path}")


def command(service: str) -> list[str]:
    words = SERVICES[service].get("command", [])
    return shlex.split(words) if isinstance(words, str) else words


def option(service: str, name: str) -> str:
    """The word after an option in the command of a service."""
    words = command(service)
    return words[words.index(name) + 1]


def paths_in_command(service: str) -> list[str]:
    return [found[1] for word in command(service) if (found := re.search(r"(?:^|=)(/.+)", word))]


def ports(service: str) -> set[int]:
    """The ports a service listens on inside its container."""
    if service in DEMO:
        return {int(option(service, "--port"))}
    if service == "loki":
        return {load(ROOT / "deploy/loki/loki.yaml")["server"]["http_listen_port"]}
    if service == "otel-collector":
        agent = (COLLECTOR_CONFIG / "agent.yaml").read_text(encoding="utf-8")
        return {int(port) for port in re.findall(r"_PORT:-(\d+)\}", agent)}
    return IMAGE_PORTS[service]


def addresses() -> Iterator[tuple[str, str]]:
    """Every address one service is given of another: where it stands, and the address."""
    for service, settings in SERVICES.items():
        for name, value in settings.get("environment", {}).items():
            if "://" in str(value):
                yield f"{service}: {name}", value
    for name, exporter in load(COLLECTOR_CONFIG / "export-backends.yaml")["exporters"].items():
        yield f"otel-collector: {name}", exporter["endpoint"]
    prometheus = load(ROOT / "deploy/prometheus/prometheus.yml")
    for job in prometheus["scrape_configs"] + prometheus["alerting"]["alertmanagers"]:
        for targets in job["static_configs"]:
            yield from (("prometheus: target", target) for target in targets["targets"])
    for path in (ROOT / "deploy/grafana/provisioning/datasources").glob("*.yaml"):
        for source in load(path)["datasources"]:
            yield f"grafana: {source['name']}", source["url"]


def host_and_port(address: str) -> tuple[str | None, int | None]:
    parts = urlsplit(address if "://" in address else f"//{address}")
    return parts.hostname, parts.port
