"""Attributes that the SDK cannot clean: only the bad value is altered, and nothing is raised.

The SDK cleans values where they are set, in the application's call. A list that holds itself, or
an object whose `str` raises, is an exception there, out of `start_span` or `add`.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import attributes
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.metrics._internal import measurement

from otel_distro.logger.values import clean
from otel_distro.notices import notice

_Clean = Callable[[Any, int | None], Any]
_clean: Final[_Clean] = attributes._clean_attribute_value  # noqa: SLF001 - see make_cleaning_safe
_measurement: Final[Any] = measurement
_bounded: Final[Any] = BoundedAttributes


def make_cleaning_safe() -> None:
    """Let attributes of spans, events, links and measurements take any value.

    The SDK offers no way in between: this wraps the methods that clean. A second call changes
    nothing.
    """
    if _measurement._clean_attribute_value is _cleaned:  # noqa: SLF001 - as above
        return
    _measurement._clean_attribute_value = _cleaned  # noqa: SLF001 - as above
    set_one, set_all = _bounded.__setitem__, _bounded._set_items  # noqa: SLF001 - as above

    def set_item(self: BoundedAttributes, key: str, value: Any) -> None:  # noqa: ANN401
        try:
            set_one(self, key, value)
        except TypeError:
            if self._immutable:
                raise
            set_one(self, key, clean(value))
        except Exception:  # noqa: BLE001 - values are the application's
            set_one(self, key, clean(value))

    def set_items(self: BoundedAttributes, items: Mapping[str, Any]) -> None:
        try:
            set_all(self, items)
        except TypeError:
            if self._immutable:
                raise
            set_all(self, _one_by_one(items, self.max_value_len))
        except Exception:  # noqa: BLE001 - as above
            set_all(self, _one_by_one(items, self.max_value_len))

    _bounded.__setitem__ = set_item
    _bounded._set_items = set_items  # noqa: SLF001 - as above
    logging.getLogger(attributes.__name__).addFilter(_say_once)


def _cleaned(value: Any, limit: int | None) -> Any:  # noqa: ANN401 - the SDK's signature
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
