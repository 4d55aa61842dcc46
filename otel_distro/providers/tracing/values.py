"""Attributes of spans, in a plain dictionary: what of them is taken, altered, or dropped.

Most of what is set are a few plain values. They are taken as they are; anything else goes the
SDK's way, with what it says of it.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.util.types import AnyValue

from otel_distro.providers.attributes import cleaned

PLAIN: Final = frozenset({str, int, bool, float})
_MAPPINGS: Final = frozenset({dict, MappingProxyType})  # a sampler's attributes are the latter
_logger: Final = logging.getLogger("opentelemetry.attributes")


def room_for_plain(limits: SpanLimits) -> int:
    """Return how many attributes a span may have whose values need not be looked at."""
    if limits.max_span_attribute_length is not None:
        return 0
    return 2**31 if limits.max_span_attributes is None else limits.max_span_attributes


def copy_of_plain(given: Mapping[str, Any], room: int) -> dict[str, Any] | None:
    """Return a copy of attributes that are plain and few enough; else None."""
    if type(given) not in _MAPPINGS:
        return None
    # First of all: another thread may change what was given.
    copy = {**given}
    if len(copy) > room:
        return None
    for key, value in copy.items():
        if type(value) not in PLAIN or type(key) is not str or not key:
            return None
    return copy


def put_all(attributes: dict[str, AnyValue], given: Mapping[str, Any], limits: SpanLimits) -> int:
    """Set attributes of any kind. Returns how many were dropped. Never raises."""
    try:
        if limits.max_span_attributes == 0:
            return len(given)
        clean = cleaned(given, limits.max_span_attribute_length)
        dropped = len(given) - len(clean)
        for key, value in clean.items():
            dropped += _put_clean(attributes, key, value, limits)
    except Exception:  # noqa: BLE001 - mappings are the application's, and may do anything
        return 0
    return dropped


def put(attributes: dict[str, AnyValue], key: object, value: object, limits: SpanLimits) -> int:
    """Set one attribute of any kind. Returns how many were dropped. Never raises."""
    if limits.max_span_attributes == 0:
        return 1
    try:
        if not isinstance(key, str) or not key:
            _logger.warning(
                "invalid key `%s`. must be non-empty string. Dropping key from attributes.", key
            )
            return 1
        clean = cleaned(value, limits.max_span_attribute_length)
        return _put_clean(attributes, key, clean, limits)
    except Exception:  # noqa: BLE001 - keys are the application's as well
        return 1


def _put_clean(
    attributes: dict[str, AnyValue], key: str, value: AnyValue, limits: SpanLimits
) -> int:
    # Where threads do this at once, one may find gone what the other has removed.
    attributes.pop(key, None)
    most = limits.max_span_attributes
    dropped = 0
    while most is not None and len(attributes) >= most:
        _logger.warning(
            "Attributes dict is full. Dropping the oldest key-value pair from attributes to make "
            "space for the new key-value pair.",
        )
        for oldest in tuple(attributes)[:1]:
            attributes.pop(oldest, None)
            dropped += 1
    attributes[key] = value
    return dropped
