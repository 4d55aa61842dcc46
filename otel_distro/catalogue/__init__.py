"""The list of every instrument: what exists, and what it is called in Prometheus.

Rules, dashboards, the page, reports and documentation are derived from it. Imports nothing of ours.
"""

from otel_distro.catalogue.instrument import Attribute, Instrument, Kind
from otel_distro.catalogue.prometheus import prom_label, prom_name, series
from otel_distro.catalogue.registry import CATALOGUE, Catalogue, CatalogueError, register

__all__ = [
    "CATALOGUE",
    "Attribute",
    "Catalogue",
    "CatalogueError",
    "Instrument",
    "Kind",
    "prom_label",
    "prom_name",
    "register",
    "series",
]
