"""What is written of figures: tables, ratios, the picture, the page."""

import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks.overhead import bars, inprocess, ratios, tables
from benchmarks.overhead.arrivals import Counts
from benchmarks.overhead.contestants import read_contestants
from benchmarks.overhead.figures import MISSING, Figure, Line, with_bare
from benchmarks.overhead.inprocess import CPU, OVER, ROWS, describe
from benchmarks.overhead.report import Report
from benchmarks.overhead.session import Effort

_ROW = ROWS["all"].what


def _line(contestant, over, row=_ROW, **more):
    figures = {CPU: Figure((over + 50.0,))}
    if contestant != "bare":
        figures[OVER] = Figure((float(over),))
    return Line(inprocess.MEASURE, row, contestant, figures, **more)


_LINES = [_line("bare", 0), _line("ours", 40, arrived="1 span"), _line("upstream", 400)]


def _cells(table):
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]


def _drawing(text):
    return ET.fromstring(text)  # noqa: S314 - what we wrote


def test_a_figure_is_the_median_the_minimum_and_half_of_the_middle_half():
    figure = Figure((1.0, 2.0, 3.0, 4.0, 100.0))
    assert (figure.median, figure.minimum, figure.spread) == (3, 1, 1)


def test_what_is_over_bare_is_taken_round_by_round():
    figures = with_bare(
        {"bare": {CPU: Figure((50, 90))}, "ours": {CPU: Figure((60, 99))}}, {CPU: OVER}
    )
    assert figures["ours"][OVER].rounds == (10, 9)
    assert list(figures["ours"]) == [CPU, OVER]
    assert OVER not in figures["bare"]


def test_without_bare_nothing_is_over_it():
    assert with_bare({"ours": {CPU: Figure((60,))}}, {CPU: OVER}) == {"ours": {CPU: Figure((60,))}}


def test_a_table_has_a_row_for_each_contestant_and_the_ratio_to_upstream():
    head, _, bare, ours, upstream = _cells(tables.table(_LINES))
    assert head == ["", CPU, OVER, "to upstream", "arrived"]
    assert bare[0] == "bare"
    assert ours == ["ours", "90.0", "40.0", "0.10", "1 span"]
    assert upstream[3] == "1.00"


def test_a_table_is_as_wide_in_each_row():
    assert len({len(row) for row in tables.table(_LINES).splitlines()}) == 1


def test_a_contestant_without_figures_has_its_reason_in_the_table():
    failed = Line(inprocess.MEASURE, _ROW, "ddtrace", problem="not installed: no such version")
    *_, last = _cells(tables.table([*_LINES, failed]))
    assert last == ["ddtrace", "", "", "", "not installed: no such version"]


def test_the_overview_has_conditions_across():
    lines = [*_LINES, _line("ours", 15, row=ROWS["off"].what)]
    head, _, ours, upstream = _cells(tables.overview(lines))
    assert head == ["µs over bare", _ROW, ROWS["off"].what]
    assert ours == ["ours", "40", "15"]
    assert upstream == ["upstream", "400", ""]


def test_ratios_say_how_many_times_less():
    [(_, other, ours, theirs)] = ratios.ratios(_LINES)
    assert (other, ours, theirs) == ("upstream", 40, 400)
    assert "| upstream | **1/10.0** | 40.0 | 400.0 |" in ratios.written(_LINES)


def test_one_whose_spans_are_missing_is_compared_with_nobody():
    lines = [_line("bare", 0), _line("ours", 1, arrived=f"0 spans, {MISSING}"), _LINES[-1]]
    assert not ratios.written(lines)
    assert _cells(tables.table(lines))[3][3] == ""
    assert _cells(tables.overview(lines))[2] == ["ours", ""]
    assert "ours" not in bars.svg(lines).partition("</style>")[2]


def test_where_nobody_is_there_to_compare_with_there_are_no_ratios():
    assert not ratios.written([_line("bare", 0), _line("ours", 40)])


def test_a_ratio_for_the_worse_is_said_as_such():
    assert "| **2.0** |" in ratios.written([_line("ours", 80), _line("upstream", 40)])


@pytest.mark.parametrize(
    ("row", "arrived", "said"),
    [
        ("all", Counts(10, 3, 0), "1 span, metrics"),
        ("all", Counts(30, 0, 30), "3 spans, 3 log records, no metrics"),
        ("all", Counts(9, 3, 0), "0.9 spans, metrics, **spans are missing**"),
        ("all", Counts(0, 0, 0), "0 spans, no metrics, **spans are missing**"),
        ("traces", Counts(10, 0, 0), "1 span"),
        ("off", Counts(0, 0, 0), "0 spans"),
        ("unsampled", Counts(10, 5, 0), "1 span, metrics, though unsampled"),
    ],
)
def test_what_did_not_arrive_is_said(row, arrived, said):
    assert describe(arrived, ROWS[row], 10, "ours") == said


def test_the_picture_has_a_bar_for_each_contestant_that_is_as_long_as_its_cost():
    drawn = _drawing(bars.svg(_LINES))
    widths = {
        bar.get("class"): int(bar.get("width"))
        for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")
    }
    assert widths["ours"] * 10 == widths["other"]


def test_the_picture_reads_on_dark():
    assert "prefers-color-scheme: dark" in bars.svg(_LINES)


def _report():
    contestants = [one for one in read_contestants() if one.name in ("bare", "ours", "upstream")]
    return Report(_LINES, contestants, {"upstream": ["opentelemetry-sdk==1.0"]}, Effort(), "again")


def test_a_page_is_written_between_its_marks_and_keeps_the_rest(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- made by: make bench -->\nold\n<!-- end -->\nafter\n")
    for _ in range(2):
        _report().write(page)
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("<!-- end -->\nafter\n")
        assert "old" not in text
        assert text.index("### Ratios") < text.index(f"### In process: {_ROW}")
        assert "opentelemetry-sdk==1.0" in text
        assert "`again`" in text
    assert _drawing((tmp_path / "benchmarks.svg").read_text()).tag.endswith("svg")


def test_the_rounds_are_in_the_json():
    said = json.loads(_report().json())
    assert said["lines"][1]["figures"][OVER]["rounds"] == [40]
