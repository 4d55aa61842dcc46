"""What arrives at an exporter: severity, body, attributes, ids, exceptions."""

import logging

import pytest

from otel_distro.logger import api_logger, context, get_logger
from otel_distro.logger.values import MAX_TEXT


@pytest.mark.parametrize(
    ("method", "text", "number"),
    [
        ("debug", "DEBUG", 5),
        ("info", "INFO", 9),
        ("warn", "WARN", 13),
        ("warning", "WARN", 13),
        ("error", "ERROR", 17),
        ("exception", "ERROR", 17),
        ("fatal", "FATAL", 21),
        ("critical", "FATAL", 21),
    ],
)
def test_a_level_has_its_severity(method, text, number, exported):
    getattr(api_logger, method)("x")
    record = exported.record
    assert (record.severity_text, record.severity_number.value) == (text, number)
    assert exported.data[0].instrumentation_scope.name == "api"


def test_the_message_is_the_body_and_fields_are_flat_attributes(exported):
    api_logger.info(
        "fetched 100%",
        endpoint="/api",
        count=3,
        ratio=0.5,
        ok=True,
        nothing=None,
        filter={"tenant": {"id": 7}, "empty": {}},
        tags=["a", "b"],
        rows=[{"a": 1}],
        message="a field of that name",
    )
    assert exported.record.body == "fetched 100%"
    assert exported.record.attributes == {
        "endpoint": "/api",
        "count": 3,
        "ratio": 0.5,
        "ok": True,
        "nothing": None,
        "filter.tenant.id": 7,
        "filter.empty": "{}",
        "tags": ("a", "b"),
        "rows": '[{"a": 1}]',
        "message": "a field of that name",
    }


def test_a_line_in_a_span_has_its_ids(exported, tracer):
    with tracer.start_as_current_span("request") as span:
        api_logger.info("x")
    of_span = span.get_span_context()
    assert (exported.record.trace_id, exported.record.span_id) == (
        of_span.trace_id,
        of_span.span_id,
    )


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_exception_is_exported_with_its_causes(exported):
    try:
        try:
            {}["tenant"]
        except KeyError as cause:
            raise RuntimeError("no tenant") from cause
    except RuntimeError as error:
        api_logger.error("failed", error=error, endpoint="/api")
    attributes = exported.record.attributes
    assert attributes["endpoint"] == "/api"
    assert attributes["exception.type"] == "RuntimeError"
    assert attributes["exception.message"] == "no tenant"
    stack = attributes["exception.stacktrace"]
    assert stack.index("KeyError: 'tenant'") < stack.index("direct cause")
    assert stack.index("direct cause") < stack.index("RuntimeError: no tenant")
    assert "in test_an_exception_is_exported_with_its_causes" in stack


def test_an_exception_group_is_exported_with_its_members(exported):
    group = ExceptionGroup("two agents", [raised(ValueError("one")), raised(OSError("two"))])
    group.add_note("while planning")
    api_logger.fatal("failed", error=raised(group))
    attributes = exported.record.attributes
    assert attributes["exception.type"] == "ExceptionGroup"
    for words in ("two agents", "ValueError: one", "OSError: two", "while planning"):
        assert words in attributes["exception.stacktrace"]


def test_the_end_of_a_long_stack_is_kept(exported):
    api_logger.error("failed", error=raised(ValueError("x" * MAX_TEXT * 2 + "the end")))
    stack = exported.record.attributes["exception.stacktrace"]
    assert stack.endswith("the end\n")
    assert len(stack) < MAX_TEXT + 100


@pytest.mark.parametrize(
    "write",
    [
        lambda error: api_logger.error("failed", error=error),
        lambda error: api_logger.error("failed", error),
        lambda error: api_logger.error("failed", error, {"n": 1}),
        lambda error: api_logger.error("failed", exc_info=error),
        lambda error: api_logger.error("failed", exc_info=(type(error), error, None)),
        lambda error: api_logger.warn("failed", error=error),
    ],
)
def test_an_exception_may_be_given_as_the_seed_or_logging_has_it(write, exported):
    write(raised(ValueError("bad")))
    assert exported.record.body == "failed"
    assert exported.record.attributes["exception.message"] == "bad"


def test_the_exception_that_is_handled(exported):
    try:
        raise ValueError("bad")  # noqa: TRY301
    except ValueError:
        api_logger.exception("one")
        api_logger.error("two", exc_info=True)
    for record in exported.records:
        assert record.attributes["exception.message"] == "bad"


@pytest.mark.parametrize(
    ("args", "keywords", "body", "attributes"),
    [
        (("took %d ms", 3), {}, "took 3 ms", {}),
        (("%(a)s", {"a": 1}), {}, "1", {}),
        (("a %d b", "x"), {}, "a %d b ['x']", {}),
        (("%s %s", 1), {}, "%s %s [1]", {}),
        (("fetched", {"n": 1}), {"m": 2}, "fetched", {"n": 1, "m": 2}),
        (("fetched", 7), {}, "fetched", {"argument_1": 7}),
        (("x",), {"extra": {"n": 1}, "stacklevel": 2}, "x", {"n": 1}),
        (("x",), {"error": "no exception"}, "x", {"error": "no exception"}),
        ((7,), {}, "7", {}),
        ((None,), {}, "None", {}),
    ],
)
def test_other_habits_are_understood(args, keywords, body, attributes, exported):
    api_logger.info(*args, **keywords)
    assert exported.record.body == body
    assert exported.record.attributes == attributes


def test_a_record_of_ours_is_one_like_any_other_for_the_applications_handlers(exported):
    class Keep(logging.Handler):
        def emit(self, record):
            kept.append(record)

    kept = []
    log = get_logger("shop.orders")
    handler = Keep()
    logging.getLogger("shop").addHandler(handler)
    try:
        with context(request_id="r"):
            log.error("failed", error=raised(ValueError("bad")), name="n", levelname="l", order=7)
    finally:
        logging.getLogger("shop").removeHandler(handler)
    (record,) = kept
    assert (record.name, record.levelname, record.getMessage()) == (
        "shop.orders",
        "ERROR",
        "failed",
    )
    assert (record.request_id, record.order) == ("r", 7)
    assert record.funcName.endswith("for_the_applications_handlers")
    assert record.pathname == __file__
    text = logging.Formatter("%(request_id)s %(message)s").format(record)
    assert text.startswith("r failed\nTraceback")
    assert exported.record.attributes["name"] == "n"


def test_the_caller_is_exported_where_asked_for(exported):
    bridge = exported._bridge
    bridge._capture = bridge._capture._replace(code_attributes=True)
    api_logger.info("x")
    get_logger("y").warning("x")
    for record in exported.records:
        assert record.attributes["code.file.path"] == __file__
        assert record.attributes["code.function.name"].endswith("exported_where_asked_for")


def test_attributes_never_exceed_what_the_sdk_keeps(exported):
    wide = {f"k{n}": {f"j{m}": m for m in range(10)} for n in range(100)}
    with context(request_id="r"):
        api_logger.error("x", error=raised(ValueError("bad")), **wide)
    record = exported.record
    assert exported.data[0].dropped_attributes == 0
    assert len(record.attributes) <= 128
    assert record.attributes["request.id"] == "r"
    assert record.attributes["exception.message"] == "bad"
    assert record.attributes["dropped_fields"] == 1000 - (len(record.attributes) - 5)


def test_a_filter_or_handler_that_raises_costs_its_line_only(exported, said):
    def broken(record):
        raise RuntimeError("in the filter")

    logging.getLogger("broken").addFilter(broken)
    log = get_logger("broken")
    log.info("x")
    log.info("x")
    (line,) = said()
    assert line == "a line of broken was lost (RuntimeError: in the filter)."
