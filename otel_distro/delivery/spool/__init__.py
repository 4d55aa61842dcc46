"""What could not be delivered, on disk."""

from otel_distro.delivery.spool.layout import NEW, TRIED
from otel_distro.delivery.spool.shelf import Stored
from otel_distro.delivery.spool.spool import Spool

__all__ = ["NEW", "TRIED", "Spool", "Stored"]
