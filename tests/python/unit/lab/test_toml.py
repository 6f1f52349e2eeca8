"""Settings written as TOML read back as they were."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.lab import toml

PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('ax1 "\\\n\t\0é語🙂', max_size=5),
)
VALUES = st.recursive(
    st.one_of(PLAIN, st.lists(PLAIN, max_size=3)),
    lambda inner: st.dictionaries(st.text("ab_-. é", min_size=1, max_size=4), inner, min_size=1, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text("xyz1 ", min_size=1, max_size=4), VALUES, max_size=5))
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(values)) == values


def test_tables_in_lists_and_absent_values() -> None:
    values = {"name": "a", "none": None, "providers": [{"name": "libvirt"}], "tls": {"folder": "/x", "authority": None}}
    assert tomllib.loads(toml.dumps(values)) == {
        "name": "a",
        "providers": [{"name": "libvirt"}],
        "tls": {"folder": "/x"},
    }
