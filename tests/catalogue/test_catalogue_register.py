"""Adding instruments: all or none, and every refusal says whose, what and what to do."""

import json

import pytest

from otel_distro.catalogue import Attribute, Catalogue, CatalogueError, Instrument, Kind

PLAIN = {"kind": Kind.COUNTER, "unit": "{report}", "description": "Reports."}
HISTOGRAM = {**PLAIN, "kind": Kind.HISTOGRAM, "unit": "ms"}


def instrument(name="carbon.reports", **changes):
    return Instrument(name=name, **{**PLAIN, **changes})


GOOD = instrument("carbon.good")

REFUSED = [
    ("9reports", PLAIN, "is no instrument name", "letters, digits"),
    ("", PLAIN, "is no instrument name", "letters, digits"),
    ("carbon reports", PLAIN, "is no instrument name", "letters, digits"),
    ("c" * 256, PLAIN, "is no instrument name", "letters, digits"),
    ("carbon.reports\n", PLAIN, "is no instrument name", "letters, digits"),
    ("Carbon.Reports", PLAIN, "has capitals", "write it small"),
    ("carbon.heat", {**PLAIN, "unit": "°C"}, "not at most 63 ASCII", "use a UCUM code"),
    ("carbon.heat", {**PLAIN, "unit": "x" * 64}, "not at most 63 ASCII", "use a UCUM code"),
    ("carbon.time", HISTOGRAM, "without buckets", "give their bounds"),
    ("carbon.reports", {**PLAIN, "buckets": (1.0,)}, "is no histogram", "leave them out"),
    ("carbon.time", {**HISTOGRAM, "buckets": (2.0, 1.0)}, "do not ascend", "sort them"),
    ("carbon.time", {**HISTOGRAM, "buckets": (1.0, 1.0)}, "do not ascend", "each once"),
    ("carbon.time", {**HISTOGRAM, "buckets": (1.0, float("inf"))}, "no finite", "leave it out"),
    ("carbon.time", {**HISTOGRAM, "buckets": (float("nan"),)}, "no finite", "leave it out"),
    (
        "carbon.reports",
        {**PLAIN, "attributes": (Attribute("site"), Attribute("site", ("a",)))},
        "an attribute twice",
        "declare it once",
    ),
    ("carbon.reports", {**PLAIN, "capacity": "carbon.most"}, "refers to carbon.most", "register"),
    ("carbon.reports", {**PLAIN, "twin": "reports.count"}, "refers to reports.count", "register"),
    ("carbon.good", {**PLAIN, "unit": "{page}"}, "registered already", "change its name"),
    ("carbon_good", PLAIN, "carbon.good both become carbon_good_total", "change a name or a unit"),
    (
        "carbon.good.total",
        {**PLAIN, "kind": Kind.GAUGE, "unit": ""},
        "both become carbon_good_total",
        "change a name or a unit",
    ),
]


@pytest.mark.parametrize(("name", "fields", "problem", "fix"), REFUSED, ids=lambda of: str(of)[:20])
def test_a_refusal_names_instrument_problem_and_fix_and_registers_nothing(
    name, fields, problem, fix
):
    catalogue = Catalogue([GOOD])
    with pytest.raises(CatalogueError) as refusal:
        catalogue.register(instrument("carbon.first"), Instrument(name=name, **fields))
    assert str(refusal.value).startswith(name)
    assert problem in str(refusal.value)
    assert fix in str(refusal.value)
    assert list(catalogue) == [GOOD]
    # Nor does a name that nobody has stand in the way of the next.
    catalogue.register(instrument("carbon.first", unit="{other}"))


def test_the_series_of_a_refused_instrument_are_free():
    catalogue = Catalogue([GOOD])
    with pytest.raises(CatalogueError):
        catalogue.register(instrument("carbon.reports"), instrument("9"))
    catalogue.register(instrument("carbon_reports"))
    assert "carbon_reports" in catalogue


def test_part_of_a_histogram_is_taken_too():
    catalogue = Catalogue([instrument("carbon.time", kind=Kind.HISTOGRAM, buckets=(1.0,))])
    with pytest.raises(CatalogueError, match="carbon_time_count"):
        catalogue.register(instrument("carbon.time.count", kind=Kind.GAUGE, unit=""))


def test_what_is_no_instrument_is_refused():
    with pytest.raises(CatalogueError, match=r"'carbon.reports' is no Instrument; give"):
        Catalogue().register("carbon.reports")


def test_the_same_entry_twice_is_once():
    catalogue = Catalogue([GOOD])
    catalogue.register(instrument("carbon.good"), GOOD)
    assert list(catalogue) == [GOOD]


def test_a_capacity_may_come_together_with_what_it_limits():
    catalogue = Catalogue()
    catalogue.register(instrument(capacity="carbon.most"), instrument("carbon.most"))
    assert catalogue["carbon.reports"].capacity in catalogue


def test_an_entry_is_found_by_its_name():
    catalogue = Catalogue([GOOD])
    assert (catalogue.get("carbon.good"), catalogue["carbon.good"]) == (GOOD, GOOD)
    assert catalogue.get("carbon.bad") is None
    assert "carbon.bad" not in catalogue
    assert len(catalogue) == 1


PACKAGE = """
from otel_distro.catalogue import Instrument, Kind

REPORTS = [
    Instrument(name="carbon.reports", kind=Kind.COUNTER, unit="{report}", description="Reports."),
    Instrument(name="carbon.sites", kind=Kind.GAUGE, unit="{site}", description="Sites."),
]
TAKEN = [Instrument(name="api_requests", kind=Kind.COUNTER, unit="", description="Theirs.")]
NOTHING = 5

def __getattr__(name):
    raise AttributeError(f"no {name} here\\n(in two lines)")
"""
POINTS = """
[blipee_otel_catalogue]
reports = carbon_package:REPORTS
taken = carbon_package:TAKEN
nothing = carbon_package:NOTHING
missing = carbon_package:MISSING
absent = carbon_nowhere:REPORTS
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, installed, that declares instruments well and badly."""
    (tmp_path / "carbon_package.py").write_text(PACKAGE)
    info = tmp_path / "carbon_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carbon-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_what_installed_packages_declare_is_loaded_and_a_broken_one_is_one_line(package):
    catalogue = Catalogue([instrument("api.requests", unit="")])
    problems = catalogue.load_entry_points()
    assert {"carbon.reports", "carbon.sites"} <= {entry.name for entry in catalogue}
    assert "api_requests" not in catalogue
    said = {line.split()[1].rstrip(":"): line for line in problems}
    assert sorted(said) == ["absent", "missing", "nothing", "taken"]
    assert all(line.startswith("blipee_otel_catalogue ") for line in problems)
    assert all("\n" not in line for line in problems)
    assert "both become api_requests_total" in said["taken"]
    assert "carbon_nowhere" in said["absent"]


def test_loading_twice_changes_nothing(package):
    catalogue = Catalogue([instrument("api.requests", unit="")])
    first = catalogue.load_entry_points()
    before = list(catalogue)
    assert catalogue.load_entry_points() == first
    assert list(catalogue) == before


def test_the_command_lists_them_and_says_what_is_broken(package, catalogue_command):
    done = catalogue_command("--json", PYTHONPATH=str(package))
    assert done.returncode == 0
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert listed["carbon.reports"]["prometheus"] == ["carbon_reports_total"]
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("blipee-otel: blipee_otel_catalogue ") for line in lines)
