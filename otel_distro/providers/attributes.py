"""Attributes that the SDK cannot clean: only the bad value is altered, and nothing is raised.

The SDK cleans values where they are set, in the application's call. A list that holds itself, or
an object whose `str` raises, is an exception there, out of `start_span` or `add`. What needs no
cleaning is taken as it is, which is a third of what a span with five attributes costs.
"""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import attributes
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.metrics._internal import measurement

from otel_distro.logger.values import clean
from otel_distro.notices import notice

# The SDK offers no way in between: these are its methods, and what takes their place.
_clean: Final[Callable[[Any, int | None], Any]] = attributes._clean_attribute_value  # noqa: SLF001
_set_item: Final = BoundedAttributes.__setitem__
_set_items: Final = BoundedAttributes._set_items  # noqa: SLF001

_PLAIN: Final = frozenset({str, int, bool, float})
_MAPPINGS: Final = frozenset({dict, MappingProxyType})  # a sampler's attributes are the latter


def make_cleaning_safe() -> None:
    """Let attributes of spans, events, links and measurements take any value.

    A second call changes nothing.
    """
    bounded: Any = BoundedAttributes
    measured: Any = measurement
    if bounded.__setitem__ is _set_one:
        return
    bounded.__setitem__ = _set_one
    bounded._set_items = _set_all  # noqa: SLF001
    measured._clean_attribute_value = cleaned  # noqa: SLF001
    logging.getLogger(attributes.__name__).addFilter(_say_once)


def _set_one(self: Any, key: str, value: Any) -> None:  # noqa: ANN401 - the SDK's signature
    try:
        _set_item(self, key, value)
    except Exception:
        if self._immutable:
            raise
        _set_item(self, key, clean(value))


def _set_all(self: Any, items: Mapping[str, Any]) -> None:  # noqa: ANN401 - the SDK's signature
    if _need_no_cleaning(self, items):
        self._dict.update(items)
        return
    try:
        _set_items(self, items)
    except Exception:
        if self._immutable:
            raise
        _set_items(self, _one_by_one(items, self.max_value_len))


def _need_no_cleaning(self: Any, items: Mapping[str, Any]) -> bool:  # noqa: ANN401 - as above
    """Return whether these are the first attributes, few enough, and plain."""
    if (
        type(items) not in _MAPPINGS
        or self._dict
        or self._immutable
        or self.max_value_len is not None
        or (self.maxlen is not None and len(items) > self.maxlen)
    ):
        return False
    for key, value in items.items():
        if type(value) not in _PLAIN or type(key) is not str or not key:
            return False
    return True


def cleaned(value: Any, limit: int | None) -> Any:  # noqa: ANN401 - the SDK's signature
    """Return what the SDK makes of a value, or of attributes; what it cannot, cleaned by us."""
    try:
        return _clean(value, limit)
    except Exception:  # noqa: BLE001 - values are the application's
        return _one_by_one(value, limit) if isinstance(value, Mapping) else clean(value)


def _one_by_one(items: Mapping[Any, Any], limit: int | None) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in items.items():
        try:
            kept.update(_clean({key: value}, limit))
        except Exception:  # noqa: BLE001 - as above
            if isinstance(key, str):
                kept[key] = clean(value)
    return kept


def _say_once(record: logging.LogRecord) -> bool:
    """Say what the SDK says of each bad value, once for each kind of badness."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - it formats a key of the application's
        text = str(record.msg)
    notice(f"{record.name} {record.msg}", f"{text} Said once.")
    return False
