"""`blipee-otel catalogue`: every instrument, for people and for machines."""

import json

import pytest

from otel_distro.catalogue import CATALOGUE, prom_name, series


def listed(done):
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_plain_is_a_line_for_each_instrument_with_its_name_in_prometheus(catalogue_command):
    lines = listed(catalogue_command())
    assert {line.split()[0]: line.split()[-1] for line in lines} == {
        entry.name: prom_name(entry.name, entry.kind, entry.unit) for entry in CATALOGUE
    }
    assert len(lines) == len(CATALOGUE)
    # Columns stand below each other, and no line ends in blanks.
    assert len({line.rindex(" ") for line in lines}) == 1


def test_json_has_everything_that_an_entry_says(catalogue_command):
    entries = {
        entry["name"]: entry for entry in json.loads("\n".join(listed(catalogue_command("--json"))))
    }
    assert set(entries) == {entry.name for entry in CATALOGUE}
    for entry in CATALOGUE:
        said = entries[entry.name]
        assert said["kind"] == entry.kind.value
        assert said["buckets"] == list(entry.buckets)
        assert {one["name"] for one in said["attributes"]} == entry.attribute_names
        assert said["prometheus"] == list(series(entry))
        assert (said["capacity"], said["twin"]) == (entry.capacity, entry.twin)


def test_markdown_is_a_table_with_a_row_for_each(catalogue_command):
    head, rule, *rows = listed(catalogue_command("--md"))
    assert head == "| instrument | kind | unit | attributes | in Prometheus |"
    assert rule == "|---|---|---|---|---|"
    assert len(rows) == len(CATALOGUE)
    assert {row.count("|") for row in rows} == {6}
    assert (
        "| api.requests | counter | {request} | endpoint, method, status | api_requests_total |"
        in rows
    )


def test_prometheus_is_every_name_of_a_series_once(catalogue_command):
    names = listed(catalogue_command("--prometheus"))
    assert sorted(names) == sorted(name for entry in CATALOGUE for name in series(entry))


@pytest.mark.parametrize("options", [("--json", "--md"), ("--md", "--prometheus"), ("--yaml",)])
def test_two_forms_at_once_and_unknown_ones_are_wrong_usage(options, catalogue_command):
    done = catalogue_command(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr
