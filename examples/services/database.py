"""The database service: organizations and their monthly readings, in SQLite or Postgres."""

import os
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI, HTTPException, Query, Request

from otel_distro.instruments import health as health_checks
from otel_distro.logger import db_logger

MEASUREMENTS = ("floor_area_m2", "energy_kwh", "gas_m3", "occupancy", "outdoor_c", "co2_kg")
metadata = sa.MetaData()
organizations = sa.Table(
    "organizations",
    metadata,
    sa.Column("slug", sa.String(40), primary_key=True),
)
readings = sa.Table(
    "readings",
    metadata,
    sa.Column("organization", sa.ForeignKey("organizations.slug"), primary_key=True),
    sa.Column("year", sa.Integer, primary_key=True),
    sa.Column("month", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Float, nullable=False) for name in MEASUREMENTS),
)

# Without it, two workers that start together both find no tables.
ONE_AT_A_TIME = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(1)"}

# Slug: floor area in m2, electricity wasted and gas leaked in kWh and m3 per m2 and month.
SEED = {
    "acme": (4_000, 0.0, 0.0),
    "globex": (9_000, 0.0, 0.55),
    "initech": (2_500, 4.0, 0.0),
    "umbrella": (7_000, 1.0, 0.12),
    "hooli": (11_000, -0.3, 0.0),
}
OUTDOOR_C = (1, 2, 6, 10, 15, 19, 22, 21, 17, 11, 6, 2)

REPORT_ROUNDS = 30  # slow on purpose: the same comparison, this many times
ANNUAL_REPORT = sa.text("""
    WITH RECURSIVE rounds(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM rounds WHERE n < :rounds)
    SELECT ours.year, CAST(avg(CAST(
        ours.co2_kg / ours.floor_area_m2 < others.co2_kg / others.floor_area_m2 AS INTEGER
    )) AS FLOAT) AS cleaner_than
    FROM rounds CROSS JOIN readings AS ours CROSS JOIN readings AS others
    WHERE ours.organization = :slug
    GROUP BY ours.year ORDER BY ours.year
""")


def monthly_readings(slug: str) -> Iterator[dict[str, Any]]:
    """Five invented years of one organization, the same at every start."""
    chance = random.Random(slug)
    floor, wasted, leaked = SEED[slug]
    for year in range(2021, 2026):
        for month, usual in enumerate(OUTDOOR_C, start=1):
            outdoor = usual + chance.uniform(-2, 2)
            occupancy = chance.uniform(0.5, 0.8)
            energy = floor * (4 + 8 * occupancy + 0.25 * max(0, outdoor - 20) + wasted)
            gas = floor * (0.1 + 0.06 * max(0, 16 - outdoor) + leaked)
            yield {
                "organization": slug,
                "year": year,
                "month": month,
                "floor_area_m2": floor,
                "energy_kwh": round(energy),
                "gas_m3": round(gas),
                "occupancy": round(occupancy, 2),
                "outdoor_c": round(outdoor, 1),
                "co2_kg": round(0.23 * energy + 2.0 * gas),
            }


def seed(engine: sa.Engine) -> None:
    """Create and fill the tables, unless an earlier start or another worker did."""
    with engine.begin() as connection:
        connection.execute(sa.text(ONE_AT_A_TIME[engine.dialect.name]))
        metadata.create_all(connection)
        if connection.scalar(sa.select(organizations.c.slug).limit(1)) is None:
            for slug in SEED:
                connection.execute(sa.insert(organizations), {"slug": slug})
                connection.execute(sa.insert(readings), list(monthly_readings(slug)))
    db_logger.info("ready", organizations=len(SEED), dialect=engine.dialect.name)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database of DATABASE_URL, or a SQLite file that goes when the service does."""
    with tempfile.TemporaryDirectory(prefix="blipee-") as scratch:
        url = os.environ.get("DATABASE_URL") or f"sqlite:///{scratch}/readings.db"
        engine = sa.create_engine(url, pool_size=5, max_overflow=5, pool_timeout=5)
        seed(engine)
        app.state.engine = engine
        yield
        engine.dispose()


app = FastAPI(title="Blipee database", lifespan=lifespan)
Limit = Annotated[int, Query(ge=1, le=60)]


def ask(request: Request, slug: str, query: sa.Executable) -> list[dict[str, Any]]:
    """The rows of a query about one organization, or 404 when there is no such organization."""
    with request.app.state.engine.connect() as connection:
        if connection.scalar(sa.select(organizations.c.slug).filter_by(slug=slug)) is None:
            db_logger.warn("unknown organization", organization=slug)
            raise HTTPException(HTTPStatus.NOT_FOUND, f"unknown organization {slug}")
        rows = [dict(row) for row in connection.execute(query).mappings()]
    db_logger.info("answered", rows=len(rows), organization=slug)
    return rows


@app.get("/health")
def health(request: Request) -> dict[str, str]:
    """Healthy when the database answers."""
    with health_checks.check("database"), request.app.state.engine.connect() as connection:
        connection.execute(sa.select(1))
    return {"status": "healthy"}


@app.get("/organizations/{slug}/readings")
def latest_readings(slug: str, request: Request, limit: Limit = 12) -> dict[str, Any]:
    """The latest months, newest first."""
    newest_first = (readings.c.year.desc(), readings.c.month.desc())
    query = sa.select(readings).filter_by(organization=slug).order_by(*newest_first).limit(limit)
    return {"organization": slug, "readings": ask(request, slug, query)}


@app.get("/organizations/{slug}/emissions")
def emissions(slug: str, request: Request) -> dict[str, Any]:
    """Kilograms of CO2 by year."""
    year, total = readings.c.year, sa.func.sum(readings.c.co2_kg).label("co2_kg")
    query = sa.select(year, total).filter_by(organization=slug).group_by(year).order_by(year)
    return {"organization": slug, "years": ask(request, slug, query)}


@app.get("/organizations/{slug}/annual-report")
def annual_report(slug: str, request: Request) -> dict[str, Any]:
    """Which share of all months each year was cleaner than; this is the slow query."""
    query = ANNUAL_REPORT.bindparams(slug=slug, rounds=REPORT_ROUNDS)
    return {"organization": slug, "years": ask(request, slug, query)}
