# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts that a template made."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils import host_names


def renamed(**made):
    groups = {"nodes": {"children": [], "hosts": list(made)}}
    content = {"hosts": {host: {"number": index} for index, host in enumerate(made)}, "groups": groups}
    return host_names.renamed(content, made)


def test_each_host_has_its_made_name():
    content, warnings = renamed(a="x", b="y")
    assert content == {
        "hosts": {"x": {"number": 0}, "y": {"number": 1}},
        "groups": {"nodes": {"children": [], "hosts": ["x", "y"]}},
    }
    assert not warnings


@pytest.mark.parametrize(
    "name", ["", " ", "a,b", "a:b", "!a", "-a", "x[1:3]", "a\n", 7, None, ["a"], ValueError("no\n x")]
)
def test_a_name_that_cannot_be_used_costs_its_host_only(name):
    content, (warning,) = renamed(a=name, b="y")
    assert list(content["hosts"]) == content["groups"]["nodes"]["hosts"] == ["y"]
    assert warning.startswith("host_name: ")
    assert " for a: not in the inventory" in warning
    assert "\n" not in warning


@pytest.mark.parametrize("name", ["nodes", "all", "ungrouped"])
def test_a_name_of_a_group_costs_its_host_only(name):
    content, (warning,) = renamed(a=name, b="y")
    assert list(content["hosts"]) == ["y"]
    assert f"{name!r} is the name of a group for a" in warning


def test_one_name_for_many_hosts_costs_them_and_gives_one_short_warning():
    content, (warning,) = renamed(z="other", **{f"h{number}": "same" for number in range(100)})
    assert list(content["hosts"]) == ["other"]
    assert "the same name 'same' for h0, h1, h2 and 97 more" in warning


@pytest.mark.parametrize(
    ("prefix", "separator"), [("a-", "_"), ("1", "_"), ("", ""), ("", "-"), ("a b", "_"), ("\n", "_")]
)
def test_options_that_ansible_would_change_are_refused(prefix, separator):
    with pytest.raises(host_names.NamingError, match=r"group_(prefix|separator): .* must be"):
        host_names.check_groups(prefix, separator)
