"""An environment without settings, plugins on the import path, and what was said on stderr."""

import os

import pytest


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("OTEL_", "BLIPEE_OTEL_")) or name == "APP_VERSION":
            monkeypatch.delenv(name)


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Installs all of `strange_plugins.py`; returns the folder, for other processes."""
    points = {
        "opentelemetry_resource_detector": (
            "Silent", "RaisingDetector", "Exiting", "Careless", "Region", "OtherRegion"
        ),
        "opentelemetry_traces_sampler": ("Every", "Raising", "Careless", "FailingSampler"),
        "opentelemetry_sampler": ("FailingSampler",),  # as configuration files name it
        "opentelemetry_id_generator": ("Counting", "Raising", "Careless", "FailingIds"),
        "opentelemetry_propagator": ("Homing", "Raising", "Careless", "FailingPropagator"),
        "opentelemetry_traces_exporter": ("KeepsSpans", "Raising", "FailingExporter"),
        "opentelemetry_metrics_exporter": ("KeepsMetrics", "Raising"),
        "opentelemetry_logs_exporter": ("KeepsLogs", "Raising"),
    }  # fmt: skip
    info = tmp_path / "strange_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\nmissing = strange_plugins:Missing\n"
            + "".join(f"{name.lower()} = strange_plugins:{name}\n" for name in classes)
            for group, classes in points.items()
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path
