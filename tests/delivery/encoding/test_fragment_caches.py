"""What is kept to be quick stays small, and right under threads and forks."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from decoded import attributes, records, requested, span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_distro.delivery.encoding import attributes as kept
from otel_distro.delivery.encoding import encode_spans, grouping, texts
from otel_distro.delivery.encoding.attributes import Attributes
from otel_distro.delivery.encoding.texts import Texts


def decoded(fields):
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource as Holder

    return attributes(Holder.FromString(fields))


def test_a_million_values_of_one_key_leave_nothing_but_the_key():
    encoding = Attributes(1)
    for number in range(1_000_000):
        fields = encoding.encode({"url.path": f"/items/{number}"})
        if number < kept.MAX_VALUES_OF_A_KEY:
            assert len(encoding) == number + 2
    assert decoded(fields) == {"url.path": "/items/999999"}
    assert len(encoding) == 1


def test_a_hundred_thousand_keys_and_values_keep_to_the_limit():
    encoding = Attributes(1)
    most = 0
    for number in range(100_000):
        encoding.encode(
            {f"key{number % 20_000}": number, "n": number % 200, f"k{number % 500}": "x"}
        )
        most = max(most, len(encoding)) if number % 100 == 0 else most
    assert kept.MAX_KEPT / 2 < most <= kept.MAX_KEPT


def test_keys_of_many_values_leave_what_others_keep():
    encoding = Attributes(1)
    encoding.encode({"http.route": "/"})
    for number in range(100_000):
        encoding.encode({f"id{number // 1_000}": number})
    assert "/" in encoding._kept[str]["http.route"]


def test_a_value_that_comes_again_is_kept_and_a_long_one_is_not():
    encoding = Attributes(1)
    for _ in range(3):
        encoding.encode(
            {"http.route": "/", "status": 200, "ok": True, "db.query.text": "x" * 1_000}
        )
        encoding.encode({"k" * 1_000: 1, "duration": 0.5})
    assert len(encoding) == 5 + 3  # keys, and of three of them the value


def test_names_keep_to_their_limit():
    names = Texts(5)
    for number in range(10_000):
        names.field(f"name {number}")
        assert len(names) <= texts.MAX_TEXTS
    names.clear()
    assert names.field("x") is names.field("x")
    names.field("x" * 1_000)
    assert list(names) == ["x"]


def test_resources_and_scopes_keep_to_their_limit():
    for number in range(1_000):
        encode_spans(
            [
                span(
                    resource=Resource({"n": number}),
                    instrumentation_scope=InstrumentationScope(str(number)),
                )
            ]
        )
        assert len(grouping._resource_fields) <= grouping._KNOWN
        assert len(grouping._scope_fields) <= grouping._KNOWN


def test_a_resource_made_where_another_was_is_not_mistaken_for_it():
    for number in range(1_000):
        (chunk,) = encode_spans([span(resource=Resource({"n": number}))]).chunks
        ((around, _),) = records(requested([chunk], "traces"))
        assert attributes(around[0]) == {"n": number}


def batch(thread, number):
    shared = {"http.route": f"/{number % 300}", "status": number % 7, "ok": number % 2 == 0}
    own = {"id": f"{thread}-{number}", "n": number, f"key{number % 3_000}": float(number)}
    return {**shared, **own}


@pytest.fixture
def _threads_take_turns_often():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_threads_take_turns_often")
def test_threads_that_encode_at_once_get_what_is_theirs():
    def encode(thread):
        found = []
        for start in range(0, 3_000, 100):
            spans = [span(batch(thread, number)) for number in range(start, start + 100)]
            request = requested(encode_spans(spans).chunks, "traces")
            found += [attributes(record) for _, record in records(request)]
        return found

    with ThreadPoolExecutor(2) as threads:
        for thread, found in enumerate(threads.map(encode, range(2))):
            assert found == [batch(thread, number) for number in range(3_000)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_encodes_the_same():
    spans = [span(batch(0, number)) for number in range(100)]
    expected = encode_spans(spans)
    child = os.fork()
    if child == 0:
        os._exit(encode_spans(spans) != expected)
    assert os.waitpid(child, 0)[1] == 0
