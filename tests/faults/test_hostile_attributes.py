"""Values that the SDK cannot clean are altered, and no call of the application raises."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from support.instrumented import NO_EXPORT, run_python

from otel_distro.providers import attributes as safe

HOSTILE = """
class Raises:
    def __str__(self): raise RuntimeError("no text")
    __repr__ = __str__
    __bool__ = __str__
cycle = []
cycle.append(cycle)
nested = {}
nested["self"] = nested
class Mapping(dict):
    def items(self): raise RuntimeError("no items")
BAD = {"cycle": cycle, "nested": nested, "raises": Raises(), "object": object(), "huge": 2**70,
       "surrogate": "\\ud800", "inner": [1, Raises()], "items": Mapping(a=1)}
from opentelemetry import metrics, trace
tracer, meter = trace.get_tracer("t"), metrics.get_meter("t")
"""

CALLS = {
    "start_span": "span = tracer.start_span('s', attributes={**BAD, 'good': 1}); span.end()",
    "set_attribute": (
        "span = tracer.start_span('s')\n"
        "for key, value in BAD.items(): span.set_attribute(key, value)\n"
        "span.set_attribute('good', 1)"
    ),
    "set_attributes": "span = tracer.start_span('s'); span.set_attributes({**BAD, 'good': 1})",
    "add_event": (
        "span = tracer.start_span('s'); span.add_event('e', {**BAD, 'good': 1})\n"
        "span = span.events[0]"
    ),
    "add_link": (
        "from opentelemetry.trace import Link\n"
        "span = tracer.start_span('s')\n"
        "span.add_link(tracer.start_span('x').get_span_context(), {**BAD, 'good': 1})\n"
        "span = span.links[0]"
    ),
    "bad key": "span = tracer.start_span('s', attributes={Raises(): 1, 'good': 1})",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_span_takes_any_value_and_keeps_the_others(call):
    done = run_python(
        f"{HOSTILE}\n{CALLS[call]}\nprint(span.attributes['good'], 'done')",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        **NO_EXPORT,
    )
    assert (done.returncode, done.stdout) == (0, "1 done\n"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["counter", "histogram", "up_down_counter", "gauge"])
def test_a_measurement_takes_any_value_and_is_not_lost(kind):
    record = {"histogram": "record", "gauge": "set"}.get(kind, "add")
    done = run_python(
        f"{HOSTILE}\n"
        f"instrument = meter.create_{kind}('an_instrument')\n"
        "for key, value in BAD.items():\n"
        f"    instrument.{record}(1, {{key: value, 'good': 1}})\n"
        "metrics.get_meter_provider().force_flush()\n",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        **{**NO_EXPORT, "OTEL_METRICS_EXPORTER": "console"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert '"good": 1' in done.stdout


def test_a_thousand_bad_values_of_one_kind_are_one_line():
    done = run_python(
        f"{HOSTILE}\nfor _ in range(1000): tracer.start_span('s', attributes={{'o': object()}})",
        OTEL_SERVICE_NAME="app",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*",
        **NO_EXPORT,
    )
    (line,) = done.stderr.splitlines()
    assert "Invalid type" in line


PLAIN = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))
VALUES = st.one_of(PLAIN, st.lists(PLAIN), st.none(), st.binary())


@given(
    items=st.dictionaries(st.text(), VALUES, max_size=6),
    maxlen=st.sampled_from([None, 0, 3, 128]),
    limit=st.sampled_from([None, 0, 5]),
    proxy=st.booleans(),
)
def test_what_is_taken_as_it_is_is_what_the_sdk_makes_of_it(items, maxlen, limit, proxy):
    given_items = MappingProxyType(items) if proxy else items

    def made(set_items):
        attributes = BoundedAttributes(maxlen, None, immutable=False, max_value_len=limit)
        set_items(attributes, given_items)
        return list(attributes.items()), attributes.dropped

    assert made(safe._set_all) == made(safe._set_items)
