"""The public API: hands questions to the agents and passes emissions on from the database."""

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from otel_distro.instruments import cache
from otel_distro.logger import api_logger, context

AGENTS_URL = os.environ.get("AGENTS_URL", "http://127.0.0.1:8001")
DATABASE_SERVICE_URL = os.environ.get("DATABASE_SERVICE_URL", "http://127.0.0.1:8003")
TIMEOUT_SECONDS = 10.0
CACHE_SECONDS = 2.0

Organization = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=40)]


class Analysis(BaseModel):
    """A question about one organization."""

    organization: Organization
    question: str = Field(min_length=1, max_length=500)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One HTTP client for as long as the service runs."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as app.state.http:
        yield


app = FastAPI(title="Blipee api", lifespan=lifespan)


class Recent:
    """Answers of the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the answer, None where it is too old or there is none."""
        kept_at, answer = self._kept.get(key, (-self._seconds, {}))
        return answer if monotonic() - kept_at < self._seconds else None

    def keep(self, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer."""
        self._kept[key] = monotonic(), answer


recent = Recent(CACHE_SECONDS)


async def shared_client(request: Request) -> httpx.AsyncClient:
    """The service's HTTP client."""
    client: httpx.AsyncClient = request.app.state.http
    return client


Http = Annotated[httpx.AsyncClient, Depends(shared_client)]


async def passed_on(service: str, request: Awaitable[httpx.Response]) -> dict[str, Any]:
    """The answer of a service behind this one: 404 stays 404, any other failure becomes 502."""
    try:
        response = await request
        if response.status_code == HTTPStatus.NOT_FOUND:
            api_logger.warn("nothing found", service=service, url=str(response.url))
            raise HTTPException(HTTPStatus.NOT_FOUND, response.json()["detail"])
        answer: dict[str, Any] = response.raise_for_status().json()
    except httpx.HTTPError as error:
        api_logger.error("a service behind this one failed", error=error, service=service)
        raise HTTPException(HTTPStatus.BAD_GATEWAY, f"the {service} service failed") from error
    return answer


@app.get("/health")
async def health() -> dict[str, str]:
    """Healthy as soon as it answers."""
    return {"status": "healthy"}


@app.post("/api/analyses")
async def analyze(analysis: Analysis, http: Http) -> dict[str, Any]:
    """Have the agents answer a question."""
    with context(organization_id=analysis.organization):
        api_logger.info("analysis asked for", words=len(analysis.question.split()))
        asked = http.post(f"{AGENTS_URL}/runs", json=analysis.model_dump())
        return await passed_on("agents", asked)


@app.get("/api/organizations/{organization}/emissions")
async def emissions(organization: Organization, http: Http) -> dict[str, Any]:
    """Yearly emissions of one organization."""
    known = recent.get(organization)
    cache.request(cache="emissions", result="hit" if known else "miss")
    api_logger.info("emissions", organization=organization, kept=known is not None)
    if known is None:
        url = f"{DATABASE_SERVICE_URL}/organizations/{organization}/emissions"
        known = await passed_on("database", http.get(url))
        recent.keep(organization, known)
    return known


@app.get("/api/reports/broken")
async def broken_report() -> None:
    """A report that cannot work, for those who want to see a real 500."""
    raise RuntimeError("the report has no template")
