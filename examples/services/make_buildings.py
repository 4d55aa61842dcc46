"""Writes buildings.csv, the training data of the ml service. Synthetic: no real building is in it.

Run `python examples/services/make_buildings.py` after changing a number here.
"""

import csv
import io
import random
from pathlib import Path

BUILDINGS = Path(__file__).with_name("buildings.csv")
COLUMNS = ("floor_area_m2", "energy_kwh", "gas_m3", "occupancy", "outdoor_c", "label")
LABELS = ("on_track", "idle_load", "leak")
ROWS = 600
SEED = 20240607


def reading(chance: random.Random, label: str) -> tuple[str, ...]:
    """One month of one invented building; the noise makes the labels overlap."""
    floor = chance.uniform(500, 12_000)
    occupancy = chance.uniform(0.05, 1)
    outdoor = chance.uniform(-5, 30)
    energy = 4 + 8 * occupancy + 0.25 * max(0, outdoor - 20)
    gas = 0.1 + 0.06 * max(0, 16 - outdoor)
    if label == "idle_load":  # equipment left running
        energy += max(0, chance.gauss(3.5, 1.3))
    if label == "leak":
        gas += max(0, chance.gauss(0.5, 0.18))
    return (
        f"{floor:.0f}",
        f"{floor * energy * chance.gauss(1, 0.05):.0f}",
        f"{floor * gas * chance.gauss(1, 0.06):.0f}",
        f"{occupancy:.2f}",
        f"{outdoor:.1f}",
        label,
    )


def render() -> str:
    """The whole file, the same text every time."""
    chance = random.Random(SEED)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(reading(chance, LABELS[row % len(LABELS)]) for row in range(ROWS))
    return text.getvalue()


if __name__ == "__main__":
    BUILDINGS.write_text(render(), encoding="utf-8", newline="\n")
