"""What a metric is called in Prometheus, compared with what Prometheus' own translator makes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.catalogue import Instrument, Kind, prom_label, prom_name, series

HERE = Path(__file__).parent
KINDS = {
    "Counter": Kind.COUNTER,
    "UpDown": Kind.UP_DOWN_COUNTER,
    "Gauge": Kind.GAUGE,
    "Histogram": Kind.HISTOGRAM,
}
ROW = re.compile(r'(?P<name>\S+)\s+"(?P<unit>[^"]*)"\s+(?P<kind>\w+)\s+(?P<translated>\S+)')


def golden(file):
    lines = [line for line in (HERE / file).read_text().splitlines() if not line.startswith("#")]
    return [ROW.match(line).groups() for line in lines]


@pytest.mark.parametrize(
    ("file", "rows"), [("prometheus_names.txt", 73), ("prometheus_units.txt", 160)]
)
def test_every_name_is_the_one_that_the_translator_makes(file, rows):
    table = golden(file)
    assert len(table) == rows
    ours = [(*row[:3], prom_name(row[0], KINDS[row[2]], row[1])) for row in table]
    assert ours == table


OBSERVABLE = [
    (Kind.COUNTER, Kind.OBSERVABLE_COUNTER),
    (Kind.UP_DOWN_COUNTER, Kind.OBSERVABLE_UP_DOWN_COUNTER),
    (Kind.GAUGE, Kind.OBSERVABLE_GAUGE),
]


@pytest.mark.parametrize(("synchronous", "observable"), OBSERVABLE)
def test_who_reads_the_value_does_not_change_the_name(synchronous, observable):
    for name, unit, _, _ in golden("prometheus_names.txt"):
        assert prom_name(name, synchronous, unit) == prom_name(name, observable, unit)


names = st.from_regex(r"[a-z][a-z0-9_.\-/]{0,254}", fullmatch=True)
units = st.text(st.characters(max_codepoint=127), max_size=63)
usual_units = st.sampled_from(["", "1", "s", "ms", "By", "%", "{request}", "By/s", "1/s"])
kinds = st.sampled_from(Kind)


@given(names, kinds, units | usual_units)
def test_any_valid_instrument_has_a_name_that_prometheus_accepts(name, kind, unit):
    buckets = (1.0,) if kind is Kind.HISTOGRAM else ()
    entry = Instrument(name=name, kind=kind, unit=unit, description="", buckets=buckets)
    assert entry.problem() is None
    for one in series(entry):
        assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", one)


@given(st.text(min_size=1))
def test_any_attribute_has_a_label_that_prometheus_accepts(name):
    assert re.fullmatch(r"[A-Za-z0-9_]+", prom_label(name))


@given(names, units | usual_units)
def test_a_suffix_is_there_once_for_the_kinds_that_have_it(name, unit):
    assert prom_name(name, Kind.COUNTER, unit).endswith("total")
    assert prom_name(name, Kind.GAUGE, "1").endswith("ratio")
    assert "_total_total" not in prom_name(f"{name}.total", Kind.COUNTER, unit)


def test_a_histogram_makes_three_names_and_any_other_one():
    entry = Instrument(
        name="carbon.fetch", kind=Kind.HISTOGRAM, unit="ms", description="", buckets=(1.0,)
    )
    assert series(entry) == (
        "carbon_fetch_milliseconds_bucket",
        "carbon_fetch_milliseconds_sum",
        "carbon_fetch_milliseconds_count",
    )
    counter = Instrument(name="carbon.fetches", kind=Kind.COUNTER, unit="{fetch}", description="")
    assert series(counter) == ("carbon_fetches_total",)
