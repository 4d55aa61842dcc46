"""The logger installed for one test, and what came out of it where."""

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_distro import logger
from otel_distro.instrumentation import LogBridge
from otel_distro.settings import LogCapture, read_settings


@pytest.fixture(autouse=True)
def _nothing_is_left():
    yield
    logger.uninstall()
    logger.clear_context()


@pytest.fixture
def install():
    """Installs the logger as these variables say."""

    def install(**variables):
        settings = read_settings({f"BLIPEE_OTEL_{key}": value for key, value in variables.items()})
        assert settings.problems == ()
        logger.install(settings)

    return install


class Exported:
    """What left through the bridge."""

    def __init__(self, capture):
        self._exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))
        self._bridge = LogBridge(self.provider, capture)
        self._bridge.install()

    @property
    def data(self):
        return self._exporter.get_finished_logs()

    @property
    def records(self):
        return [data.log_record for data in self.data]

    @property
    def record(self):
        (record,) = self.records
        return record

    def clear(self):
        self._exporter.clear()

    def close(self):
        self._bridge.uninstall()
        self.provider.shutdown()


@pytest.fixture
def exported(install):
    """The logger installed at every level, and what it exports."""
    install(LOG_LEVEL="debug", LOG_FORMAT="off")
    exported = Exported(LogCapture(code_attributes=False))
    yield exported
    exported.close()


@pytest.fixture
def tracer():
    provider = TracerProvider()
    yield provider.get_tracer("tests")
    provider.shutdown()
