"""What the guide says of the governor is so."""

import re
from pathlib import Path

from otel_distro.catalogue import CATALOGUE
from otel_distro.governor import state
from otel_distro.governor.governor import SETTING
from otel_distro.governor.regulator import PACE
from otel_distro.governor.state import Point
from otel_distro.providers.governed_sampling import KEPT
from otel_distro.settings import names, read_settings

GUIDE = (Path(__file__).parents[2] / "docs" / "overhead.md").read_text()


def test_the_setting_and_its_default():
    assert SETTING == names.CPU_BUDGET
    assert (
        f"`{names.CPU_BUDGET}` is percent of a processor, `{read_settings({}).cpu_budget:g}`"
        in GUIDE
    )


def test_a_row_for_each_level_and_each_metric():
    levels = re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE)
    assert levels == [str(level) for level in range(state.METRICS_ONLY + 1)]
    metrics = re.findall(r"^\| `(blipee\.governor\S+)` \|", GUIDE, re.MULTILINE)
    assert sorted(metrics) == sorted(
        entry.name for entry in CATALOGUE if entry.name.startswith("blipee.governor.")
    )


def test_its_numbers():
    assert (PACE.over_s, PACE.calm_s, PACE.longest_s, PACE.look_s) == (15, 60, 3600, 5)
    assert KEPT == 0.1
    point = Point()
    assert [number for number in range(1, 300) if point.due()] == [127, 254]
