# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables with a prefix and with other names."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils.topology_variables import VariableError
from ansible_collections.resource.infra.plugins.module_utils.variable_names import VariableNames


def test_the_map_comes_before_the_prefix_and_ansible_host_stays():
    names = VariableNames("site_", {"resource_rack": "rack", "resource_free_vcpus": "free"})
    found = {"ansible_host": "a", "resource_rack": "r", "resource_role": "x", "resource_free_vcpus": 0}
    assert names.renamed(found) == {"ansible_host": "a", "rack": "r", "site_resource_role": "x", "free": 0}
    assert not VariableNames()


@pytest.mark.parametrize(
    ("prefix", "names", "message"),
    [
        ("1a", {}, "vars_prefix: '1a'"),
        ("", {"resource_rak": "rack"}, "resource_rak: no such variable"),
        ("", {"resource_rack": "a-b"}, "cannot be the name of a variable"),
        ("", {"resource_rack": "x", "resource_role": "x"}, "would both be x"),
        ("", {"resource_rack": "resource_role"}, "would both be resource_role"),
    ],
)
def test_impossible_names_are_refused(prefix, names, message):
    with pytest.raises(VariableError, match=message):
        VariableNames(prefix, names)
