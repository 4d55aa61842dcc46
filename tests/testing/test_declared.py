"""`assert_catalogue`: what passes, and each way in which what was emitted can differ."""

import pytest
from opentelemetry import metrics as api

from otel_distro.catalogue import Attribute, Catalogue, Instrument, Kind
from otel_distro.instruments import recorder
from otel_distro.instruments.metrics import metrics
from otel_distro.testing import assert_catalogue, plugin

telemetry = plugin.telemetry

OURS = Catalogue(
    [
        Instrument(
            name="orders.placed",
            kind=Kind.COUNTER,
            unit="{order}",
            description="Orders placed.",
            attributes=(Attribute("shop"), Attribute("status", ("success", "error"))),
        ),
        Instrument(
            name="tank.level",
            kind=Kind.OBSERVABLE_GAUGE,
            unit="L",
            description="Left in the tank.",
        ),
    ]
)


@pytest.fixture
def meter(telemetry):
    return recorder.meter()


@pytest.fixture
def orders(meter):
    return meter.create_counter("orders.placed", "{order}")


def differences(telemetry, **options):
    with pytest.raises(AssertionError) as failed:
        assert_catalogue(telemetry, catalogue=OURS, **options)
    head, *lines = str(failed.value).splitlines()
    assert head == "what was emitted differs from the catalogue:"
    return [line.removeprefix("  - ") for line in lines]


def test_what_is_declared_passes(telemetry, orders, meter):
    orders.add(1, {"shop": "a", "status": "success"})
    orders.add(1, {"shop": "b"})
    orders.add(1)
    orders.add(1, {"otel.metric.overflow": True})
    meter.create_gauge("tank.level", "L").set(3)
    metrics.measure("carbon.fetch", lambda: None, {"region": "eu"})
    assert_catalogue(telemetry, catalogue=OURS)


def test_an_undeclared_label_fails(telemetry, orders):
    for customer in range(3):
        orders.add(1, {"shop": "a", "customer": "7"})
        orders.add(1, {"shop": str(customer), "customer": "7"})
    assert differences(telemetry) == [
        "orders.placed has attribute customer='7', and declares shop, status"
    ]


def test_a_value_outside_a_declared_set_fails(telemetry, orders):
    orders.add(1, {"status": "failed"})
    assert differences(telemetry) == [
        "orders.placed has status='failed', and declares success, error"
    ]


def test_an_undeclared_instrument_fails(telemetry, meter):
    meter.create_histogram("orders.size", "{item}").record(2)
    metrics.increment("orders.lost")
    assert differences(telemetry) == [
        f"{what} is not in the catalogue; add it by otel_distro.catalogue.register(Instrument(...))"
        for what in ("orders.size (histogram, unit '{item}')", "orders.lost (counter, unit '')")
    ]


def test_another_unit_fails(telemetry, meter):
    meter.create_counter("orders.placed", "1").add(1)
    assert differences(telemetry) == ["orders.placed has unit '1', and declares '{order}'"]


@pytest.mark.parametrize(
    ("emit", "shape"),
    [
        (lambda meter: meter.create_up_down_counter("tank.level", "L").add(1), "updowncounter"),
        (lambda meter: meter.create_counter("tank.level", "L").add(1), "counter"),
        (lambda meter: meter.create_histogram("tank.level", "L").record(1), "histogram"),
    ],
)
def test_another_kind_fails(emit, shape, telemetry, meter):
    emit(meter)
    assert differences(telemetry) == [f"tank.level is a {shape}, and declared as observable gauge"]


@pytest.mark.parametrize(
    "emit",
    [
        lambda: metrics.histogram("carbon.fetch.duration", 3, {"status": "success"}),
        lambda: metrics.increment("carbon.fetch.calls", 1, {"status": "success"}),
        lambda: (
            metrics.histogram("carbon.fetch.duration", 3, {"status": "odd"}),
            metrics.increment("carbon.fetch.calls", 1, {"status": "odd"}),
        ),
    ],
    ids=["duration alone", "calls alone", "no outcome"],
)
def test_only_measured_pairs_need_no_entry(emit, telemetry):
    emit()
    assert all("is not in the catalogue" in line for line in differences(telemetry))


def test_what_any_code_of_the_application_emits_counts(telemetry):
    api.get_meter("myapp").create_counter("rogue.counter").add(1, {"user_id": "u1"})
    (line,) = differences(telemetry)
    assert line.startswith("rogue.counter (counter, unit '') is not in the catalogue")


def test_instrumentation_libraries_count_when_asked_for(telemetry):
    api.get_meter("opentelemetry.instrumentation.library").create_counter("library.calls").add(1)
    assert_catalogue(telemetry, catalogue=OURS)
    (line,) = differences(telemetry, any_scope=True)
    assert line.startswith("library.calls (counter, unit '') is not in the catalogue")
