"""Runs a row of the table without instrumentation, under upstream's, and under ours."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

import opentelemetry.instrumentation.fastapi as upstream_fastapi
from opentelemetry import context, trace
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.propagators import set_global_response_propagator
from opentelemetry.util.http import get_excluded_urls
from starlette.applications import Starlette
from starlette.middleware import Middleware

from otel_distro.instrumentation.asgi import ServerMiddleware
from otel_distro.instrumentation.fastapi import FastAPIInstrumentor
from otel_distro.instrumentation.starlette import StarletteInstrumentor
from otel_distro.settings.read import read_settings
from parity.case import Case, Probe
from parity.driver import Answer, drive
from parity.facts import SDK, Facts, Telemetry

STABLE = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http"}


@dataclass
class Run:
    """What one side did with a case."""

    facts: Facts
    answers: list[Answer]
    # Left behind in the context of the server when the request was over.
    left_behind: bool
    telemetry: Telemetry
    metrics: list[Any]
    probe: Probe


def run(case: Case, side: str, *, answering: Any = None, providers: Any = SDK) -> Run:
    """Ask all requests of a case under one side.

    Args:
        case: The row.
        side: "bare", "upstream" or "ours".
        answering: How requests are sent; through the ASGI interface unless told otherwise.
        providers: Has the classes of the providers.
    """
    for instrumentor in (FastAPIInstrumentor(), StarletteInstrumentor()):
        assert not instrumentor.is_instrumented_by_opentelemetry, "another test has left it so"
    log: list[Any] = []
    telemetry = Telemetry(case.sampler, log, providers)
    probe = Probe(log)
    probe.telemetry = telemetry
    variables = {**STABLE, **case.variables}
    with ExitStack() as stack:
        stack.callback(telemetry.close)
        stack.enter_context(mock.patch.dict(os.environ, variables))
        stack.enter_context(_conventions_read_anew())
        stack.enter_context(_response_propagator(case.response_propagator))
        app = case.app(probe) if case.made_before else None
        instrumentation, wrap = _SIDES[side](case, telemetry)
        stack.enter_context(instrumentation)
        app = wrap(app if app is not None else case.app(probe))
        answers, left_behind = asyncio.run(
            (answering or _through_asgi)(case, app, telemetry, probe)
        )
        metrics = list(telemetry.metrics())
        return Run(telemetry.facts(probe, metrics), answers, left_behind, telemetry, metrics, probe)


async def _through_asgi(
    case: Case, app: Any, telemetry: Telemetry, probe: Probe
) -> tuple[list[Answer], bool]:
    around = case.around(telemetry.tracer_provider) if case.around else nullcontext()
    answers = []
    with around:
        before = dict(context.get_current()), trace.get_current_span()
        for request in case.requests:
            probe.inside.clear()
            answers.append(await drive(app, request, telemetry.log, probe.inside))
        after = dict(context.get_current()), trace.get_current_span()
    return answers, before != after


@contextmanager
def _conventions_read_anew() -> Iterator[None]:
    """Upstream reads the choice of conventions once a process."""
    with mock.patch.object(_OpenTelemetrySemanticConventionStability, "_initialized", new=False):
        yield
    _OpenTelemetrySemanticConventionStability._initialized = False


@contextmanager
def _response_propagator(propagator: Any) -> Iterator[None]:
    set_global_response_propagator(propagator)
    yield
    set_global_response_propagator(None)


@contextmanager
def _instrumented(instrumentor: Any, **options: Any) -> Iterator[None]:
    instrumentor.instrument(skip_dep_check=True, **options)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def _as_it_is(app: Any) -> Any:
    return app


def _bare(_case: Case, _telemetry: Telemetry) -> tuple[AbstractContextManager[Any], Any]:
    return nullcontext(), _as_it_is


def _upstream(case: Case, telemetry: Telemetry) -> tuple[AbstractContextManager[Any], Any]:
    options = {
        "tracer_provider": telemetry.tracer_provider,
        "meter_provider": telemetry.meter_provider,
        "excluded_urls": case.excluded_urls,
    }
    if case.kind == "fastapi":
        # Upstream reads the variable when it is imported.
        urls = mock.patch.object(
            upstream_fastapi, "_excluded_urls_from_env", get_excluded_urls("FASTAPI")
        )
        stack = ExitStack()
        stack.enter_context(urls)
        stack.enter_context(_instrumented(upstream_fastapi.FastAPIInstrumentor(), **options))
        return stack, _as_it_is
    if case.kind == "starlette":
        # As upstream's instrumentor for Starlette does, which is a package of its own and finds
        # routes by the same function, word for word.
        options["default_span_details"] = upstream_fastapi._get_default_span_details

        def outermost(app: Starlette) -> Starlette:
            app.user_middleware.insert(0, Middleware(OpenTelemetryMiddleware, **options))
            return app

        return nullcontext(), outermost
    return nullcontext(), lambda app: OpenTelemetryMiddleware(app, **options)


def _ours(case: Case, telemetry: Telemetry) -> tuple[AbstractContextManager[Any], Any]:
    urls = case.excluded_urls
    if urls is None and case.variables:
        urls = ",".join(read_settings(dict(case.variables)).excluded_urls)
    options = {
        "tracer_provider": telemetry.tracer_provider,
        "meter_provider": telemetry.meter_provider,
        "excluded_urls": urls or "",
    }
    if case.kind == "fastapi":
        return _instrumented(FastAPIInstrumentor(), **options), _as_it_is
    if case.kind == "starlette":
        return _instrumented(StarletteInstrumentor(), **options), _as_it_is
    return nullcontext(), lambda app: ServerMiddleware(app, **options)


_SIDES = {"bare": _bare, "upstream": _upstream, "ours": _ours}
