"""docker-compose.yml says what it may say, and what it names exists; no engine is needed."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from opentelemetry.sdk import environment_variables
from stack import (
    COLLECTOR_CONFIG,
    COMPOSE,
    COMPOSE_FILE,
    DEMO,
    ROOT,
    SERVICES,
    SERVICES_CODE,
    addresses,
    command,
    host_and_port,
    load,
    mounts,
    on_host,
    option,
    paths_in_command,
    ports,
    with_defaults,
)

from otel_distro import collector

every_service = pytest.mark.parametrize("service", SERVICES)
every_demo_service = pytest.mark.parametrize("service", DEMO)

DOCKERFILE = ROOT / SERVICES["api"]["build"]["dockerfile"]


def instructions(keyword: str) -> list[list[str]]:
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{keyword} ")]


# The file itself


def test_the_file_follows_the_compose_specification():
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text(encoding="utf-8"))
    errors = Draft202012Validator(schema).iter_errors(COMPOSE)
    assert not [f"{error.json_path}: {error.message}" for error in errors]


def test_every_variable_has_a_default():
    assert "${" not in with_defaults(COMPOSE_FILE.read_text(encoding="utf-8"))


# Images and privileges


@every_service
def test_the_image_is_pinned_or_built_here(service):
    settings = SERVICES[service]
    assert ("image" in settings) != ("build" in settings)
    if "image" in settings:
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*", settings["image"])


def test_the_dockerfile_is_pinned_too():
    [[image]] = instructions("FROM")
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", image)


@every_service
def test_runs_without_root_and_its_powers(service):
    settings = SERVICES[service]
    assert re.fullmatch(r"[1-9]\d*:\d+", settings["user"])
    assert settings["cap_drop"] == ["ALL"]
    assert settings["security_opt"] == ["no-new-privileges:true"]
    assert settings["read_only"] is True
    assert not settings.keys() & {"privileged", "cap_add", "network_mode", "pid"}


@every_service
def test_is_bounded_and_comes_back(service):
    assert SERVICES[service]["mem_limit"]
    assert SERVICES[service]["restart"] == "unless-stopped"


@every_service
def test_is_published_on_loopback_only(service):
    for published in SERVICES[service].get("ports", []):
        host, outside, inside = published.split(":")
        assert (host, outside) == ("127.0.0.1", inside)
        assert int(inside) in ports(service)


# Start order


@every_service
def test_waits_for_health_where_health_is_known(service):
    for other, wait in SERVICES[service].get("depends_on", {}).items():
        known = "healthcheck" in SERVICES[other]
        assert wait["condition"] == ("service_healthy" if known else "service_started"), other


# The Collector's image holds nothing that could ask.
@pytest.mark.parametrize("service", [name for name in SERVICES if name != "otel-collector"])
def test_its_health_check_asks_itself_without_a_shell(service):
    how, *words = SERVICES[service]["healthcheck"]["test"]
    assert how == "CMD"
    for port in re.findall(r"//127\.0\.0\.1:(\d+)", " ".join(words)):
        assert int(port) in ports(service)


# Files


@every_service
def test_what_it_mounts_exists(service):
    for source, _, mode in mounts(service):
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_no_volume_is_left_over():
    assert set(COMPOSE["volumes"]) == {
        source for service in SERVICES for source, *_ in mounts(service) if source[0] != "."
    }


@every_service
def test_paths_in_its_command_are_mounted(service):
    for path in paths_in_command(service):
        host = on_host(service, path)
        assert host is None or host.is_file(), path


def test_the_collector_runs_the_configuration_of_this_repository():
    assert [on_host("otel-collector", path) for path in paths_in_command("otel-collector")] == [
        COLLECTOR_CONFIG / "agent.yaml",
        COLLECTOR_CONFIG / "export-backends.yaml",
    ]


def test_the_collectors_image_is_the_official_one_of_the_version_that_is_built():
    folder = ROOT / SERVICES["otel-collector"]["build"]
    (image,) = re.findall(r"^FROM (\S+)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    assert image == f"otel/opentelemetry-collector-contrib:{collector.locate.version()}"


def test_the_collectors_queue_is_on_a_volume_that_is_its_users():
    settings = SERVICES["otel-collector"]
    queue = load(COLLECTOR_CONFIG / "agent.yaml")["extensions"]["file_storage"]["directory"]
    assert on_host("otel-collector", queue) is None, "a named volume"
    (volume,) = [target for source, target, mode in mounts("otel-collector") if mode == "rw"]
    assert queue.startswith(f"{volume}/")
    dockerfile = (ROOT / settings["build"] / "Dockerfile").read_text()
    copied = rf"^COPY --chown={settings['user']} (\S+) {volume}$"
    source = re.search(copied, dockerfile, re.MULTILINE)
    assert source
    assert list((ROOT / settings["build"] / source[1]).iterdir()), "git keeps no empty folder"


def test_prometheus_finds_its_rules():
    for pattern in load(ROOT / "deploy/prometheus/prometheus.yml")["rule_files"]:
        host = on_host("prometheus", pattern)
        assert host is not None
        assert list(host.parent.glob(host.name))


# The image of the demo


@every_demo_service
def test_is_built_from_the_one_dockerfile(service):
    assert SERVICES[service]["build"] == SERVICES["api"]["build"]
    assert DOCKERFILE.is_file()


def test_what_the_dockerfile_copies_exists_and_reaches_the_build():
    ignored, *exceptions = (
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    assert ignored == "*"
    reach = {line.removeprefix("!") for line in exceptions if line.startswith("!")}
    copied = {source for *sources, _ in instructions("COPY") for source in sources}
    assert copied == reach
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_dockerfile_copies_all_that_a_wheel_is_built_from():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"]}
    copied = {source for *sources, _ in instructions("COPY") for source in sources}
    assert needed | set(wheel["force-include"]) <= copied


def test_the_image_runs_without_root_even_where_compose_does_not_say_so():
    *_, last = instructions("USER")
    assert last == [SERVICES["api"]["user"]]


@every_demo_service
def test_its_command_names_a_module_that_is_in_the_image(service):
    folder = option(service, "--app-dir")
    assert [folder, f"./{folder}"] in instructions("COPY")
    assert f"{service}:app" in command(service)
    assert (ROOT / folder / f"{service}.py").is_file()


# Addresses and settings


@pytest.mark.parametrize(("where", "address"), list(addresses()))
def test_addresses_are_services_that_listen_there(where, address):
    host, port = host_and_port(address)
    service = where.partition(":")[0] if host == "localhost" else host
    assert service in SERVICES
    assert port in ports(service)


def names_in(*files: Path) -> set[str]:
    """Every upper-case string of the given Python files."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return set(re.findall(r"[\"']([A-Z][A-Z0-9_]+)[\"']", code))


@every_demo_service
def test_what_it_is_told_is_what_it_reads(service):
    told = set(SERVICES[service]["environment"])
    reads = names_in(SERVICES_CODE / f"{service}.py", *(ROOT / "otel_distro").rglob("*.py"))
    specified = {name for name in vars(environment_variables) if name.startswith("OTEL_")}
    assert told <= reads | specified


@every_demo_service
def test_what_it_reads_it_is_told(service):
    code = (SERVICES_CODE / f"{service}.py").read_text(encoding="utf-8")
    reads = re.findall(r"environ(?:\.get\(|\[)\s*[\"'](\w+)", code)
    assert set(reads) <= set(SERVICES[service]["environment"])


@every_demo_service
def test_is_named_after_itself(service):
    environment = SERVICES[service]["environment"]
    assert environment["OTEL_SERVICE_NAME"] == service
    assert environment["BLIPEE_OTEL_SERVICE_KIND"] == service


def test_the_collector_is_told_what_its_configuration_reads():
    configuration = "".join(
        file.read_text(encoding="utf-8") for file in COLLECTOR_CONFIG.glob("*.yaml")
    )
    for name in SERVICES["otel-collector"]["environment"]:
        assert f"${{env:{name}:-" in configuration
