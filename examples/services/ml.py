"""The ml service: a small random forest that says how a building is doing."""

import asyncio
import csv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from time import perf_counter

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from sklearn.ensemble import RandomForestClassifier

from otel_distro.instruments import ml
from otel_distro.logger import ml_logger

BUILDINGS = Path(__file__).with_name("buildings.csv")
LOW_CONFIDENCE = 0.6


class Reading(BaseModel):
    """One month of one building."""

    floor_area_m2: float = Field(gt=0)
    energy_kwh: float = Field(ge=0)
    gas_m3: float = Field(ge=0)
    occupancy: float = Field(ge=0, le=1)
    outdoor_c: float = Field(ge=-60, le=60)


class Prediction(BaseModel):
    """What the model thinks, and how sure it is (0 to 1)."""

    label: str
    confidence: float


def features(reading: Reading) -> list[float]:
    """What the model looks at: consumption for the building's size and the month's cold."""
    gas_per_m2 = reading.gas_m3 / reading.floor_area_m2
    return [
        reading.energy_kwh / reading.floor_area_m2,
        gas_per_m2,
        gas_per_m2 / (2 + max(0, 16 - reading.outdoor_c)),
        reading.occupancy,
        reading.outdoor_c,
    ]


def train(path: Path) -> RandomForestClassifier:
    """A model fitted to the readings in a CSV file."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows: list[Mapping[str, str]] = list(csv.DictReader(lines))
    model = RandomForestClassifier(n_estimators=20, max_depth=8, random_state=0)
    model.fit(
        [features(Reading.model_validate(row)) for row in rows], [row["label"] for row in rows]
    )
    return model


async def prepare(app: FastAPI) -> None:
    """Train beside the server, so that /health can already say "not yet"."""
    started = perf_counter()
    try:
        app.state.model = await asyncio.to_thread(train, BUILDINGS)
    except (OSError, ValueError):
        ml_logger.exception("training failed, predictions stay unavailable", data=str(BUILDINGS))
    else:
        ml_logger.info("model trained", seconds=perf_counter() - started)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start training, and don't leave before it has ended."""
    training = asyncio.create_task(prepare(app))
    yield
    await training


app = FastAPI(title="Blipee ml", lifespan=lifespan)
app.state.model = None


def trained_model(request: Request) -> RandomForestClassifier:
    """The model, or 503 while there is none."""
    if request.app.state.model is None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the model is not trained yet")
    return request.app.state.model


@app.get("/health")
async def health(request: Request) -> dict[str, str]:
    """Healthy once the model is trained."""
    trained_model(request)
    return {"status": "healthy"}


@app.post("/predictions")
def predict(reading: Reading, request: Request) -> Prediction:
    """Classify one reading."""
    model = trained_model(request)
    probabilities = model.predict_proba([features(reading)])[0]
    best = probabilities.argmax()
    label, confidence = str(model.classes_[best]), float(probabilities[best])
    ml.prediction(model="building_waste", confidence=confidence, version="1")
    if confidence < LOW_CONFIDENCE:
        ml_logger.warn("low confidence", confidence=confidence, label=label)
    else:
        ml_logger.info("predicted", confidence=confidence, label=label)
    return Prediction(label=label, confidence=confidence)
