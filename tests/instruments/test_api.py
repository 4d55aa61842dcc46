"""Requests and connections of servers that report by hand."""

import asyncio

import pytest

from otel_distro.instruments import api
from otel_distro.testing import assert_catalogue

OK = {"endpoint": "/items/{id}", "method": "GET", "status": "success"}
FAILED = {**OK, "status": "error"}


def test_a_request_is_measured_once_under_both_names(telemetry):
    with api.request(endpoint="/items/{id}", method="GET"):
        pass
    assert telemetry.point("api.requests", OK).value == 1
    assert telemetry.point("api.requests", FAILED).value == 0, "the sibling starts at zero"
    own = telemetry.point("api.response_time", OK)
    convention = telemetry.point(
        "http.server.request.duration",
        {
            "http.route": "/items/{id}",
            "http.request.method": "GET",
            "http.response.status_code": 200,
        },
    )
    assert own.sum == pytest.approx(convention.sum * 1000)
    assert_catalogue(telemetry)


@pytest.mark.parametrize(("status", "expected"), [(200, OK), (404, OK), (500, FAILED)])
def test_the_status_code_decides(telemetry, status, expected):
    with api.request(endpoint="/items/{id}", method="GET") as request:
        request.status_code = status
    assert telemetry.point("api.requests", expected).value == 1


def test_raising_is_an_error_and_goes_on_untouched(telemetry):
    @api.request(endpoint="/items/{id}", method="GET")
    async def handler():
        raise RuntimeError("out of stock")

    with pytest.raises(RuntimeError, match="out of stock"):
        asyncio.run(handler())
    assert telemetry.point("api.requests", FAILED).value == 1
    assert_catalogue(telemetry)


def test_a_request_without_a_route_has_a_bounded_name(telemetry):
    with api.request(endpoint=None, method="GET"):
        pass
    unmatched = {**OK, "endpoint": "<unmatched>"}
    assert telemetry.point("api.requests", unmatched).value == 1


def test_connections_are_counted_while_they_are_open(telemetry):
    websocket = {"type": "websocket"}
    with api.connection(type="websocket"), api.connection(type="websocket"):
        assert telemetry.point("api.active_connections", websocket).value == 2
    assert telemetry.point("api.active_connections", websocket).value == 0
