"""Any value that OTLP has a type for, and what upstream would have to be given to send the same."""

from hypothesis import strategies as st

SURROGATES = "\ud800", "a\udfff", "\ud83d\ude00", "é\udc80b"
# About where the length takes one byte more, and where texts are encoded another way.
LONG = [char * size for char in "xé" for size in (60, 63, 64, 125, 126, 127, 128, 511, 512, 9_000)]
TEXT = st.text(max_size=8) | st.sampled_from(SURROGATES) | st.sampled_from(LONG)
INTEGERS = st.integers() | st.sampled_from([0, 1, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    st.floats(allow_nan=False) | st.sampled_from([1.0, 0.0, -0.0]),
    TEXT,
    st.binary(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=5,
)
# Few names, so that the same one comes with values of several types.
KEYS = st.sampled_from(["http.route", "a", "b"]) | TEXT
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=3)
COUNTS = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, 2**64 - 1)
IDS = st.integers(1, 2**64 - 1)
TRACE_IDS = st.integers(1, 2**128 - 1)


def sent(value):
    """Turn what upstream cannot encode into what we send for it."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
        case list() | tuple():
            return [sent(item) for item in value]
        case dict():
            return {sent(key): sent(item) for key, item in value.items()}
        case _:
            return value


def has_one_name_for_one_text(mapping):
    """Whether no two names become the same one: then upstream cannot be given both."""
    match mapping:
        case dict():
            names = {sent(key) for key in mapping}
            return len(names) == len(mapping) and all(
                map(has_one_name_for_one_text, mapping.values())
            )
        case list():
            return all(map(has_one_name_for_one_text, mapping))
        case _:
            return True


FEW_ATTRIBUTES = st.dictionaries(KEYS, SCALARS, max_size=2).filter(has_one_name_for_one_text)
ATTRIBUTES = ATTRIBUTES.filter(has_one_name_for_one_text)
VALUES = VALUES.filter(has_one_name_for_one_text)
