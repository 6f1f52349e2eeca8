"""Settings written as TOML read back as they were."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.lab import files

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


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("xyz1 ", min_size=1, max_size=4), VALUES, max_size=5))
def test_what_is_written_is_read_back(tmp_path: Path, values: dict[str, Any]) -> None:
    files.write_settings(tmp_path / "settings.toml", values)
    assert tomllib.loads((tmp_path / "settings.toml").read_text()) == values


def test_settings_are_read_back_equal_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    values = {
        "name": 'a "quoted" name, its \\backslash and a\nsecond line',
        "socket": f"unix:{tmp_path}/api.sock",
        "providers": [{"name": "libvirt"}, {"name": "memory", "weights": [1, 2.5, True]}],
        "networks": ["172.31.0.0/24", "fe80::/64"],
        "tls": {"folder": str(tmp_path), "authority": {"scope": "root"}},
    }
    path = tmp_path / "folder" / "settings.toml"
    assert files.write_settings(path, values)
    assert tomllib.loads(path.read_text()) == values
    assert path.stat().st_mode & 0o777 == 0o600
    assert not files.write_settings(path, values)
