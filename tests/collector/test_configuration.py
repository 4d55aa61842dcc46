"""What every shipped configuration promises, whoever adds the next exporter or pipeline."""

import re

import pytest
import yaml
from support.far_side import CollectorProcess

from otel_distro import collector

CONFIG = collector.config_dir()
FILES = sorted(
    {file.name for file in CONFIG.glob("*.yaml")} - {"builder.yaml", "alerts-collector.yaml"}
)


def loaded(name):
    """A file with the defaults of its variables."""
    text = re.sub(r"\$\{env:\w+:-([^}]*)\}", r"\1", (CONFIG / name).read_text())
    return yaml.safe_load(text)


EXPORTERS = {
    (file, name): exporter
    for file in FILES
    for name, exporter in loaded(file).get("exporters", {}).items()
    if name.partition("/")[0] not in ("debug", "file")
}
every_exporter = pytest.mark.parametrize(
    "exporter", EXPORTERS.values(), ids=map("/".join, EXPORTERS)
)


@every_exporter
def test_what_an_exporter_accepts_is_on_disk_within_a_bound_until_it_is_delivered(exporter):
    queue = exporter["sending_queue"]
    assert queue["storage"] == "file_storage"
    assert queue["sizer"] == "bytes"
    assert queue["queue_size"] == 256 * 2**20
    assert queue["block_on_overflow"] is False
    assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
    assert exporter["timeout"]


@every_exporter
def test_batches_are_made_in_the_queue(exporter):
    batch = exporter["sending_queue"]["batch"]
    assert 0 < batch["min_size"] < batch["max_size"]
    assert batch["max_size"] < exporter["sending_queue"]["queue_size"]


@pytest.mark.parametrize("file", FILES)
def test_no_processor_acknowledges_before_it_sends_and_memory_is_looked_at_first(file):
    document = loaded(file)
    assert not any(name.partition("/")[0] == "batch" for name in document.get("processors", {}))
    for pipeline in document.get("service", {}).get("pipelines", {}).values():
        assert pipeline.get("processors", ["memory_limiter"])[0] == "memory_limiter"


def test_a_request_that_is_taken_fits_into_a_batch_and_that_into_a_request_to_the_gateway():
    taken = loaded("agent.yaml")["receivers"]["otlp"]["protocols"]
    largest = taken["http"]["max_request_body_size"]
    assert taken["grpc"]["max_recv_msg_size_mib"] * 2**20 == largest
    batch = loaded("export-gateway.yaml")["exporters"]["otlp_grpc/gateway"]["sending_queue"][
        "batch"
    ]
    assert batch["max_size"] == largest
    of_gateway = loaded("gateway.yaml")["receivers"]["otlp"]["protocols"]
    assert of_gateway["http"]["max_request_body_size"] > largest
    assert of_gateway["grpc"]["max_recv_msg_size_mib"] * 2**20 > largest


@pytest.mark.collector
def test_the_folder_of_the_queues_is_made_for_nobody_else(tmp_path):
    with CollectorProcess(tmp_path, ("agent.yaml", "export-gateway.yaml")) as agent:
        assert agent.storage.stat().st_mode & 0o777 == 0o700
        files = list(agent.storage.iterdir())
        assert len(files) == 3
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


@pytest.mark.collector
@pytest.mark.parametrize("fsync", ["true", "false"])
def test_whether_it_syncs_is_a_variable(tmp_path, fsync):
    """Only that both are taken: what a power failure does cannot be shown here."""
    with CollectorProcess(tmp_path, BLIPEE_OTELCOL_FSYNC=fsync):
        pass
