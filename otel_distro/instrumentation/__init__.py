"""What happens without code: servers, clients, databases and logging report by themselves."""

from otel_distro.instrumentation.load import instrument, instrument_all
from otel_distro.instrumentation.log_bridge import LogBridge

__all__ = ["LogBridge", "instrument", "instrument_all"]
