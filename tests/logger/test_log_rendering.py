"""How a line reads: JSON by its fields, the pretty one by what a person looks for."""

import json
import logging
import re
from datetime import datetime

import pytest

from otel_distro.logger import api_logger, context, get_logger
from otel_distro.logger.rendering import json_renderer, pretty_renderer

HEX = {"trace_id": r"[0-9a-f]{32}", "span_id": r"[0-9a-f]{16}"}


@pytest.fixture
def rendered(install, monkeypatch):
    """Renders what is logged to `api` or to `theirs`, each line as it comes."""

    class Render(logging.Handler):
        renderer = staticmethod(json_renderer("shop"))

        def emit(self, record):
            lines.append(self.renderer(record))

    lines = []
    install(LOG_LEVEL="debug")
    handler = Render()
    for name in ("api", "theirs"):
        log = logging.getLogger(name)
        monkeypatch.setattr(log, "handlers", [handler])
        monkeypatch.setattr(log, "propagate", False)

    def use(renderer):
        handler.renderer = renderer
        return lines

    return use


def test_a_line_of_json_has_all_its_parts(rendered, tracer):
    lines = rendered(json_renderer("shop"))
    with tracer.start_as_current_span("s") as span, context(request_id="r", user_id=7):
        try:
            raise ValueError("bad")  # noqa: TRY301
        except ValueError as error:
            api_logger.error("failed\nhere", error=error, endpoint="/api", rows=[1])
    (line,) = lines
    assert "\n" not in line
    entry = json.loads(line)
    moment = datetime.fromisoformat(entry.pop("timestamp"))
    assert moment.utcoffset().total_seconds() == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", json.loads(line)["timestamp"])
    error = entry.pop("error")
    of_span = span.get_span_context()
    assert entry == {
        "level": "error",
        "service": "api",
        "message": "failed\nhere",
        "context": {"request_id": "r", "user_id": 7},
        "trace_id": f"{of_span.trace_id:032x}",
        "span_id": f"{of_span.span_id:016x}",
        "meta": {"endpoint": "/api", "rows": [1]},
    }
    assert (error["name"], error["message"]) == ("ValueError", "bad")
    assert error["stack"].startswith("Traceback")
    assert error["stack"].endswith("ValueError: bad\n")


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("debug", "debug"),
        ("info", "info"),
        ("warning", "warn"),
        ("error", "error"),
        ("fatal", "fatal"),
    ],
)
def test_a_level_has_its_name_for_us_and_for_standard_logging(method, level, rendered):
    lines = rendered(json_renderer("shop"))
    getattr(api_logger, method)("x")
    logging.getLogger("theirs").setLevel(1)
    logging.getLogger("theirs").log(getattr(logging, method.upper()), "x")
    for line, (service, name) in zip(lines, [("api", None), ("shop", "theirs")], strict=True):
        entry = json.loads(line)
        assert (entry["level"], entry["service"]) == (level, service)
        assert entry.get("logger") == name
        assert not entry.keys() & {"trace_id", "span_id", "error"}
        assert (entry["context"], entry["meta"]) == ({}, {})


def test_a_record_of_standard_logging_has_the_same_parts(rendered, tracer):
    lines = rendered(json_renderer("shop"))
    with tracer.start_as_current_span("s"), context(request_id="r"):
        try:
            raise ValueError("bad")  # noqa: TRY301
        except ValueError:
            logging.getLogger("theirs").exception("order %d", 7, extra={"tenant": {"id": 1}})
    entry = json.loads(lines[0])
    assert (entry["message"], entry["context"]) == ("order 7", {"request_id": "r"})
    assert entry["meta"] == {"tenant": {"id": 1}}
    assert entry["error"]["name"] == "ValueError"
    for key, pattern in HEX.items():
        assert re.fullmatch(pattern, entry[key])


def test_any_text_is_one_line_of_ascii(rendered):
    lines = rendered(json_renderer("shop"))
    api_logger.info("a\u2028b\nc\x1b[2J ☕", key="\x00")
    assert lines[0].isascii()
    assert lines[0].isprintable()
    entry = json.loads(lines[0])
    assert entry["message"] == "a\u2028b\nc\x1b[2J ☕"
    assert entry["meta"] == {"key": "\x00"}


def test_a_pretty_line_has_level_message_service_fields_and_ids(rendered, tracer):
    lines = rendered(pretty_renderer(colors=False))
    with tracer.start_as_current_span("s") as span, context(request_id="r"):
        api_logger.warn("slow query", table="orders", where="a b", rows=[1, 2], level="L")
    (line,) = lines
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} \[warn +\] slow query +\[api\] ", line)
    for part in ("request_id=r", "table=orders", "where='a b'", "rows=[1, 2]", "level_=L"):
        assert part in line
    assert f"trace_id={span.get_span_context().trace_id:032x}" in line
    assert f"span_id={span.get_span_context().span_id:016x}" in line
    assert "\x1b" not in line


def test_an_exception_is_below_its_line_with_cause_and_group(rendered):
    lines = rendered(pretty_renderer(colors=False))
    try:
        try:
            raise ExceptionGroup("two", [ValueError("one"), OSError("two")])  # noqa: TRY301
        except ExceptionGroup as group:
            raise RuntimeError("failed") from group
    except RuntimeError as error:
        api_logger.fatal("stopping", error=error)
    first, *below = lines[0].splitlines()
    assert "[fatal" in first
    assert "stopping" in first
    text = "\n".join(below)
    for words in ("ValueError: one", "OSError: two", "direct cause", "RuntimeError: failed"):
        assert words in text


def test_a_pretty_line_has_colors_where_asked_for(rendered):
    lines = rendered(pretty_renderer(colors=True))
    for method in ("debug", "info", "warn", "error", "fatal"):
        getattr(api_logger, method)("x", key="v")
    assert all("\x1b[" in line for line in lines)
    assert len({re.search(r"\[(\x1b\[\d+m)", line)[1] for line in lines}) >= 3


def test_what_comes_from_a_request_cannot_rule_the_terminal(rendered):
    lines = rendered(pretty_renderer(colors=False))
    evil = "\x1b[2J\x07\x9b\u202e"
    api_logger.error(f"a{evil}", error=ValueError(evil), **{evil: evil, "in": [evil]})
    get_logger("api").info("two\n\tlines")
    for line in lines:
        assert all(char.isprintable() or char in "\n\t" for char in line)
    assert "\\x1b[2J" in lines[0]
    assert "two\n\tlines" in lines[1]
