"""Records of standard `logging` are exported, and logging stays as the application made it."""

import logging
import logging.config
import textwrap
from pathlib import Path

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from support.instrumented import run_python

from otel_distro.instrumentation import LogBridge
from otel_distro.instrumentation.exceptions import remember_context
from otel_distro.settings import LogCapture

UNTOUCHED = logging.Logger.callHandlers


class Exported:
    """A logger provider in memory, and the bridges that lead to it."""

    def __init__(self):
        self._exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        self._bridges = []

    def bridge(self, **capture):
        bridge = LogBridge(self.provider, LogCapture(**capture))
        self._bridges.append(bridge)
        bridge.install()
        return bridge

    @property
    def records(self):
        return [log.log_record for log in self._exporter.get_finished_logs()]

    @property
    def readable(self):
        return self._exporter.get_finished_logs()

    @property
    def bodies(self):
        return [record.body for record in self.records]

    @property
    def record(self):
        (record,) = self.records
        return record

    def close(self):
        for bridge in reversed(self._bridges):
            bridge.uninstall()
        self.provider.shutdown()


@pytest.fixture
def exported():
    exported = Exported()
    yield exported
    exported.close()
    assert logging.Logger.callHandlers is UNTOUCHED


@pytest.fixture
def log():
    """Returns a logger that takes every level and has a handler that says nothing."""
    logger = logging.Logger("shop.orders")  # noqa: LOG001 - to all others pytest adds handlers
    logger.addHandler(logging.NullHandler())
    return logger


def test_a_record_is_exported_with_all_that_it_says(exported, log, telemetry):
    exported.bridge()
    with telemetry.tracer_provider.get_tracer("t").start_as_current_span("request") as span:
        log.warning("order %s of %d", "A1", 3, extra={"tenant": "acme", "count": 3})
    record = exported.record
    assert record.body == "order A1 of 3"
    assert (record.severity_text, record.severity_number.value) == ("WARN", 13)
    assert record.attributes == {"tenant": "acme", "count": 3}
    assert record.trace_id == span.get_span_context().trace_id
    assert record.span_id == span.get_span_context().span_id
    assert record.trace_flags == span.get_span_context().trace_flags
    assert abs(record.timestamp - record.observed_timestamp) < 60e9


def test_the_scope_is_the_loggers_name(exported, log):
    exporter = InMemoryLogRecordExporter()
    exported.provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    exported.bridge()
    log.info("x")
    (data,) = exporter.get_finished_logs()
    assert data.instrumentation_scope.name == "shop.orders"


def test_outside_a_span_there_are_no_ids(exported, log):
    exported.bridge()
    log.info("x")
    assert not exported.record.trace_id
    assert not exported.record.span_id


@pytest.mark.parametrize(
    ("level", "text", "number"),
    [
        (3, "Level 3", 0),
        (logging.DEBUG, "DEBUG", 5),
        (logging.INFO, "INFO", 9),
        (25, "Level 25", 12),
        (logging.WARNING, "WARN", 13),
        (logging.ERROR, "ERROR", 17),
        (logging.CRITICAL, "FATAL", 21),
        (99, "Level 99", 24),
    ],
)
def test_a_level_has_its_severity(level, text, number, exported, log):
    exported.bridge()
    log.log(level, "x")
    record = exported.record
    assert (record.severity_text, record.severity_number.value) == (text, number)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(logging.NOTSET, ["d", "w"]), (logging.WARNING, ["w"]), (logging.ERROR, [])],
)
def test_records_below_the_level_are_not_exported(level, expected, exported, log):
    exported.bridge(level=level)
    log.debug("d")
    log.warning("w")
    assert exported.bodies == expected


def test_code_attributes_are_sent_if_asked_for(exported, log):
    exported.bridge(code_attributes=True)
    log.info("x")
    attributes = exported.record.attributes
    assert attributes["code.file.path"] == __file__
    assert attributes["code.function.name"].endswith("test_code_attributes_are_sent_if_asked_for")
    assert attributes["code.line.number"] > 0


def test_the_coloured_copy_of_uvicorns_message_is_dropped(exported, log):
    exported.bridge()
    log.info("started", extra={"color_message": "\x1b[32mstarted\x1b[0m", "port": 80})
    assert exported.record.attributes == {"port": 80}


def test_an_exception_is_sent_with_its_type_message_and_trace(exported, log):
    exported.bridge()
    try:
        {}["tenant"]
    except KeyError:
        log.exception("failed")
    log.error("no exception here", exc_info=True)  # noqa: LOG014 - applications do
    log.error("given", exc_info=ValueError("as an object"))
    first, second, third = (record.attributes for record in exported.records)
    assert first["exception.type"] == "KeyError"
    assert first["exception.message"] == "'tenant'"
    assert '{}["tenant"]' in first["exception.stacktrace"]
    assert second == {}
    assert (third["exception.type"], third["exception.message"]) == ("ValueError", "as an object")


def test_loggers_that_do_not_propagate_are_exported(exported, log):
    exported.bridge()
    log.handlers.clear()
    log.info("uvicorn.access and gunicorn.error are such")
    assert len(exported.records) == 1


def test_logging_that_is_configured_afterwards_is_exported_once(exported):
    exported.bridge()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"h": {"class": "logging.NullHandler"}},
            "loggers": {"shop.configured": {"level": "INFO", "handlers": ["h"]}},
        }
    )
    logging.getLogger("shop.configured").info("after")
    logging.getLogger("shop.configured").debug("not at this level")
    assert exported.bodies == ["after"]


def test_the_applications_handlers_and_filters_come_first(exported, log):
    class Handler(logging.Handler):
        def emit(self, record):
            seen.append((record.getMessage(), exported.bodies))

    seen = []
    exported.bridge()
    log.addHandler(Handler())
    log.addFilter(lambda record: "drop" not in record.msg)
    log.info("keep")
    log.info("drop")
    assert seen == [("keep", [])]
    assert exported.bodies == ["keep"]


@pytest.mark.parametrize("name", ["opentelemetry", "opentelemetry.sdk.trace", "otel_distro.x"])
def test_what_the_sdk_says_is_not_exported(name, exported):
    exported.bridge()
    logging.getLogger(name).error("export failed")
    logging.getLogger(f"{name.partition('.')[0]}s").error("somebody else")
    assert exported.bodies == ["somebody else"]


def test_suppressed_instrumentation_is_not_exported(exported, log):
    exported.bridge()
    with suppress_instrumentation():
        log.info("a request of the exporter")
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    log.info("another")
    detach(token)
    log.info("after")
    assert exported.bodies == ["after"]


@pytest.mark.parametrize("where", ["processor", "exporter", "attribute"])
def test_logging_while_a_record_is_exported_does_not_loop(where, exported, log):
    said = []

    class Talks(LogRecordProcessor, InMemoryLogRecordExporter):
        def on_emit(self, log_record):
            said.append(log_record)
            log.warning("%s", "in between")

        def export(self, batch):
            self.on_emit(batch)
            return super().export(batch)

        def __str__(self):
            self.on_emit(None)
            return "text"

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=0):
            return True

    talks = Talks()
    if where == "processor":
        exported.provider.add_log_record_processor(talks)
    elif where == "exporter":
        exported.provider.add_log_record_processor(SimpleLogRecordProcessor(talks))
    exported.bridge()
    log.info("%s", talks if where == "attribute" else "once")
    assert len(said) == 1
    assert len(exported.records) == 1
    log.info("later")
    assert "later" in exported.bodies


class Unprintable(Exception):  # noqa: N818 - is used as an argument as well
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "write",
    [
        lambda log: log.info("%d", "seven"),
        lambda log: log.info("%s %s", "one"),  # noqa: PLE1206 - the case
        lambda log: log.info(Unprintable()),
        lambda log: log.info("%s", Unprintable()),
    ],
)
def test_a_record_that_cannot_be_read_is_reported_once_and_raises_nothing(
    write, exported, log, said
):
    exported.bridge()
    write(log)
    write(log)
    log.info("fine")
    (line,) = said()
    assert "a log record of shop.orders was not exported" in line
    assert exported.bodies == ["fine"]


def test_a_processor_that_raises_costs_its_record_only(exported, log, said):
    class Broken(SimpleLogRecordProcessor):
        def on_emit(self, log_record):
            raise RuntimeError("disk full")

    exported.provider.add_log_record_processor(Broken(InMemoryLogRecordExporter()))
    exported.bridge()
    log.info("x")
    log.info("y")
    (line,) = said()
    assert "RuntimeError: disk full" in line


def test_any_extra_is_sent_without_a_word_of_the_sdk_in_the_applications_logs(
    exported, log, caplog
):
    exported.bridge()
    path = Path("/orders")
    log.info("x", extra={"path": path, "nested": {1: [path, None]}, "pair": (1, 2.5), "no": None})
    assert exported.record.attributes == {
        "path": "/orders",
        "nested.1": ("/orders", None),
        "pair": (1, 2.5),
        "no": None,
    }
    assert caplog.messages == []


def test_installing_twice_exports_once_and_uninstalling_restores(exported, log):
    bridge = exported.bridge()
    bridge.install()
    log.info("once")
    bridge.uninstall()
    bridge.uninstall()
    assert logging.Logger.callHandlers is UNTOUCHED
    log.info("nobody exports this")
    assert exported.bodies == ["once"]


def test_two_bridges_export_each_to_their_own(exported, log):
    other = Exported()
    exported.bridge()
    other.bridge()
    log.info("x")
    assert exported.bodies == other.bodies == ["x"]
    other.close()


# The handler of last resort and basicConfig are the process's own: pytest has changed them here.
ROOT = """
import logging
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from otel_distro.instrumentation import LogBridge
from otel_distro.settings import LogCapture
exporter = InMemoryLogRecordExporter()
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
LogBridge(provider, LogCapture()).install()
assert logging.getLogger().handlers == []
assert not logging.getLogger("shop").hasHandlers()
logging.getLogger("shop").warning("by the last resort")
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("shop").info("by basicConfig")
print(*[log.log_record.body for log in exporter.get_finished_logs()], sep="; ")
"""


def test_the_root_logger_is_untouched():
    done = run_python(textwrap.dedent(ROOT), instrumented=False)
    assert done.stderr == "by the last resort\nINFO by basicConfig\n"
    assert done.stdout == "by the last resort; by basicConfig\n"


def test_a_wrapper_that_came_later_stays_when_the_bridge_goes(exported, log):
    bridge = exported.bridge()
    ours, theirs = logging.Logger.callHandlers, []

    def their_wrapper(logger, record):
        theirs.append(record.getMessage())
        ours(logger, record)

    logging.Logger.callHandlers = their_wrapper
    try:
        bridge.uninstall()
        log.warning("still theirs")
    finally:
        logging.Logger.callHandlers = UNTOUCHED
    assert theirs == ["still theirs"]
    assert exported.bodies == [], "and no longer ours"


def test_a_handler_that_raises_does_not_cost_the_export(exported, log):
    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError("disk full")

    log.addHandler(Broken())
    exported.bridge()
    with pytest.raises(OSError, match="disk full"):
        log.warning("exported all the same")
    assert exported.bodies == ["exported all the same"]


def test_a_mapping_as_message_is_a_structured_body(exported, log):
    exported.bridge()
    log.warning({"order": 7, "paid": True})
    assert exported.record.body == {"order": 7, "paid": True}


def test_the_exception_of_a_request_that_ended_has_the_requests_trace(exported, log):
    exported.bridge()
    with TracerProvider().get_tracer("t").start_as_current_span("request") as span:
        error = RuntimeError("late")
        remember_context(error)
    log.error("Exception in ASGI application", exc_info=error)
    assert exported.record.trace_id == span.get_span_context().trace_id
    assert exported.record.span_id == span.get_span_context().span_id


class Unreadable:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


CYCLE: list = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "extra", [{"o": Unreadable()}, {"o": CYCLE}, {"o": 2**70}, {"o": "\udce9"}, {"\udce9": 1}]
)
def test_a_hostile_value_costs_itself_and_not_its_line(extra, exported, log, caplog, said):
    exported.bridge()
    log.warning("cannot read caf\udce9.txt", extra=extra)
    log.warning({"\udce9": "\udce9"})
    # One of them that cannot be encoded would lose the whole batch.
    request = encode_logs(exported.readable)
    assert len(request.resource_logs[0].scope_logs[0].log_records) == 2
    assert (caplog.messages, said()) == ([], [])


def test_an_exception_that_cannot_be_printed_is_exported_all_the_same(exported, log, said):
    exported.bridge()
    log.error("failed", exc_info=Unprintable())
    assert exported.bodies == ["failed"]
    assert exported.record.attributes["exception.type"] == "Unprintable"
    assert said() == []
