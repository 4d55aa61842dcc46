import csv
import logging
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import agents
import anyio
import api
import database
import httpx
import make_buildings
import ml
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from starlette.datastructures import State

ON_TRACK = {
    "floor_area_m2": 4000,
    "energy_kwh": 38_400,
    "gas_m3": 400,
    "occupancy": 0.7,
    "outdoor_c": 19,
}


class Client:
    """Runs one service in a portal's event loop and calls it from ordinary tests."""

    def __init__(self, portal, app, stack):
        self.portal = portal
        lifespan = app.router.lifespan_context(app)
        stack.enter_context(portal.wrap_async_context_manager(lifespan))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://service")

    def get(self, path, **params):
        return self.portal.call(partial(self.http.get, path, params=params))

    def post(self, path, body):
        return self.portal.call(partial(self.http.post, path, json=body))


class Services:
    """The four services in one process, talking to each other over ASGI instead of sockets."""

    def __init__(self, portal, stack):
        self.api, self.agents, self.ml, self.database = (
            Client(portal, module.app, stack) for module in (api, agents, ml, database)
        )
        while self.ml.get("/health").status_code == 503:
            time.sleep(0.01)
        self.connect()

    def connect(self, **replaced):
        """Let api and agents reach the others; a test replaces one to make it fail."""
        inner = {ml: ml.app, database: database.app, agents: agents.app}
        inner |= {globals()[name]: app for name, app in replaced.items()}
        mounts = {
            agents.ML_URL: httpx.ASGITransport(inner[ml]),
            agents.DATABASE_SERVICE_URL: httpx.ASGITransport(inner[database]),
            api.AGENTS_URL: httpx.ASGITransport(inner[agents]),
        }
        api.app.state.http = agents.app.state.http = httpx.AsyncClient(mounts=mounts)

    def analyze(self, organization, question):
        return self.api.post("/api/analyses", {"organization": organization, "question": question})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with (
        start_blocking_portal() as portal,
        ExitStack() as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        file = tmp_path_factory.mktemp("database") / "readings.db"
        patch.setenv("DATABASE_URL", f"sqlite:///{file}")
        yield Services(portal, stack)


@pytest.fixture
def services(running):
    yield running
    running.connect()


async def failing(scope, receive, send):
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def unreachable(scope, receive, send):
    raise httpx.ConnectError("connection refused")


def messages(caplog, logger, level):
    return [r.getMessage() for r in caplog.records if (r.name, r.levelno) == (logger, level)]


@pytest.mark.parametrize("service", ["api", "agents", "ml", "database"])
def test_every_service_is_healthy(services, service):
    answer = getattr(services, service).get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_an_analysis_passes_through_all_four_services(services):
    answer = services.analyze("globex", "Why do we waste so much gas?")

    assert answer.status_code == 200
    assert answer.json() == {
        "agent": "CarbonHunter",
        "plan": ["readings", "classify"],
        "answer": "Clearly leak.",
        "confidence": pytest.approx(0.9, abs=0.1),
    }


def test_an_analysis_without_the_model_has_no_confidence(services):
    answer = services.analyze("acme", "Show our emissions history").json()

    assert answer["plan"] == ["readings", "summary"]
    assert answer["answer"].endswith("t of CO2 in the last 12 months.")
    assert answer["confidence"] is None


def test_the_agent_says_when_the_model_is_unsure(services, caplog):
    answer = services.analyze("umbrella", "forecast next month").json()

    assert answer["answer"].startswith("Probably")
    assert answer["confidence"] < 0.6
    assert len(messages(caplog, "ml", logging.WARNING)) == 1


def test_the_slow_question_asks_for_the_annual_report(services):
    answer = services.analyze("hooli", "the slow report, please").json()

    assert answer["plan"] == ["annual_report"]
    assert answer["answer"].startswith("2025 was cleaner than")


@pytest.mark.parametrize("question", ["why?", "history", "slow"])
def test_an_analysis_of_an_unknown_organization_is_404(services, question):
    answer = services.analyze("nobody", question)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "unknown organization nobody"}


@pytest.mark.parametrize("broken", [failing, unreachable])
def test_agents_that_fail_are_502_from_the_api(services, caplog, broken):
    services.connect(agents=broken)

    answer = services.analyze("acme", "why?")

    assert answer.status_code == 502
    assert answer.json() == {"detail": "the agents service failed"}
    assert len(messages(caplog, "api", logging.ERROR)) == 1


@pytest.mark.parametrize("broken", [failing, unreachable])
@pytest.mark.parametrize(
    ("service", "question", "tool"),
    [
        ("ml", "why?", "classify"),
        ("database", "why?", "readings"),
        ("database", "slow", "annual_report"),
    ],
)
def test_a_tool_that_fails_is_502_and_named(services, service, question, tool, broken):
    services.connect(**{service: broken})

    answer = services.agents.post("/runs", {"organization": "acme", "question": question})

    assert answer.status_code == 502
    assert answer.json() == {"detail": f"tool {tool} failed"}
    assert services.analyze("acme", question).status_code == 502


@pytest.mark.parametrize("organization", ["", "../health", "acme?limit=1", "a" * 41])
def test_a_name_that_is_no_slug_goes_no_further(services, organization):
    assert services.analyze(organization, "why?").status_code == 422


def test_emissions_are_passed_on(services):
    passed_on = services.api.get("/api/organizations/acme/emissions")

    assert passed_on.status_code == 200
    assert passed_on.json() == services.database.get("/organizations/acme/emissions").json()
    assert services.api.get("/api/organizations/nobody/emissions").status_code == 404


def test_emissions_without_a_database_are_502(services):
    services.connect(database=unreachable)

    assert services.api.get("/api/organizations/hooli/emissions").status_code == 502


def test_the_broken_report_is_a_real_500(services):
    assert services.api.get("/api/reports/broken").status_code == 500


@pytest.mark.parametrize(
    ("question", "tools"),
    [
        ("Why is the bill so high?", ["readings", "classify"]),
        ("FORECAST next month", ["readings", "classify"]),
        ("where do we waste energy", ["readings", "classify"]),
        ("emissions?", ["readings", "summary"]),
        ("our history", ["readings", "summary"]),
        ("slow", ["annual_report"]),
        ("the annual report", ["annual_report"]),
        ("why this history", ["readings", "classify", "summary"]),
        ("slow emissions", ["readings", "summary", "annual_report"]),
        ("slowly, whyever", ["readings", "summary"]),
        ("hello", ["readings", "summary"]),
    ],
)
def test_the_plan_follows_the_words_of_the_question(question, tools):
    assert agents.plan(question) == tools


def test_the_model_is_sure_of_an_ordinary_month(services):
    prediction = services.ml.post("/predictions", ON_TRACK).json()

    assert prediction["label"] == "on_track"
    assert prediction["confidence"] > 0.6


def test_confidence_varies_from_month_to_month(services, caplog):
    months = [
        month
        for slug in database.SEED
        for month in services.database.get(f"/organizations/{slug}/readings").json()["readings"]
    ]

    predictions = [services.ml.post("/predictions", month).json() for month in months]

    confidences = [prediction["confidence"] for prediction in predictions]
    unsure = [confidence for confidence in confidences if confidence < 0.6]
    assert all(0 <= confidence <= 1 for confidence in confidences)
    assert 0 < len(unsure) < len(confidences) / 2
    assert len(messages(caplog, "ml", logging.WARNING)) == len(unsure)
    assert {prediction["label"] for prediction in predictions} == set(make_buildings.LABELS)


@pytest.mark.parametrize("wrong", [{"floor_area_m2": 0}, {"occupancy": 1.5}, {"gas_m3": "much"}])
def test_an_impossible_reading_is_422(services, wrong):
    assert services.ml.post("/predictions", ON_TRACK | wrong).status_code == 422


def test_ml_is_503_until_the_model_is_trained(services, monkeypatch):
    monkeypatch.setattr(ml.app, "state", State({"model": None}))

    assert services.ml.get("/health").status_code == 503
    assert services.ml.post("/predictions", ON_TRACK).status_code == 503


def test_ml_stays_503_when_there_is_nothing_to_learn_from(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(ml, "BUILDINGS", tmp_path / "missing.csv")
    app = FastAPI()

    anyio.run(ml.prepare, app)

    assert not hasattr(app.state, "model")
    assert messages(caplog, "ml", logging.ERROR)[0].startswith("training failed")


def test_readings_come_newest_first_and_limited(services):
    answer = services.database.get("/organizations/acme/readings", limit=2).json()

    assert answer["organization"] == "acme"
    assert [(r["year"], r["month"]) for r in answer["readings"]] == [(2025, 12), (2025, 11)]
    assert len(services.database.get("/organizations/acme/readings").json()["readings"]) == 12


@pytest.mark.parametrize("limit", [0, 61, "all"])
def test_an_impossible_limit_is_422(services, limit):
    answer = services.database.get("/organizations/acme/readings", limit=limit)

    assert answer.status_code == 422


def test_yearly_emissions_are_the_sum_of_the_months(services):
    months = services.database.get("/organizations/acme/readings", limit=60).json()
    years = services.database.get("/organizations/acme/emissions").json()["years"]

    assert [year["year"] for year in years] == [2021, 2022, 2023, 2024, 2025]
    for year in years:
        monthly = [m["co2_kg"] for m in months["readings"] if m["year"] == year["year"]]
        assert len(monthly) == 12
        assert year["co2_kg"] == sum(monthly)


def test_the_annual_report_compares_every_year(services):
    years = services.database.get("/organizations/acme/annual-report").json()["years"]

    assert [year["year"] for year in years] == [2021, 2022, 2023, 2024, 2025]
    assert all(0 <= year["cleaner_than"] <= 1 for year in years)


@pytest.mark.parametrize("what", ["readings", "emissions", "annual-report"])
def test_an_unknown_organization_is_404_from_the_database(services, what):
    answer = services.database.get(f"/organizations/nobody/{what}")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "unknown organization nobody"}


def test_seeding_again_changes_nothing(services):
    before = services.database.get("/organizations/hooli/readings", limit=60).json()

    database.seed(database.app.state.engine)

    after = services.database.get("/organizations/hooli/readings", limit=60).json()
    assert after == before
    assert len(after["readings"]) == 60


def test_without_an_address_the_database_lives_as_long_as_the_service(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(database.app, "state", State())

    with start_blocking_portal() as portal, ExitStack() as stack:
        client = Client(portal, database.app, stack)
        file = Path(database.app.state.engine.url.database)
        assert client.get("/organizations/initech/readings").status_code == 200
        assert file.exists()

    assert not file.exists()


def test_the_training_data_is_what_its_script_writes():
    assert make_buildings.BUILDINGS.read_bytes() == make_buildings.render().encode()


def test_the_training_data_has_every_label_equally_often():
    with ml.BUILDINGS.open(newline="") as lines:
        labels = [row["label"] for row in csv.DictReader(lines)]

    assert {label: labels.count(label) for label in set(labels)} == dict.fromkeys(
        make_buildings.LABELS, 200
    )
