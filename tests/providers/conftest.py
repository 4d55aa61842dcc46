"""An environment without settings, plugins on the import path, and what was said on stderr."""

import os

import pytest

from otel_distro import notices


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("OTEL_", "BLIPEE_OTEL_")) or name == "APP_VERSION":
            monkeypatch.delenv(name)


@pytest.fixture
def said(monkeypatch, capsys):
    """Returns the notices since the last call; each key may be said once more in this test."""
    monkeypatch.setattr(notices, "_said", set())
    return lambda: [
        line.removeprefix(notices.PREFIX)
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(notices.PREFIX)
    ]


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Installs all of `strange_plugins.py`; returns the folder, for other processes."""
    points = {
        "opentelemetry_resource_detector": (
            "Silent", "RaisingDetector", "Exiting", "Careless", "Region", "OtherRegion"
        ),
        "opentelemetry_traces_sampler": ("Every", "Raising", "Careless"),
        "opentelemetry_id_generator": ("Counting", "Raising", "Careless"),
        "opentelemetry_propagator": ("Homing", "Raising", "Careless"),
        "opentelemetry_traces_exporter": ("KeepsSpans", "Raising"),
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
