# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the inventory as parameters of the API."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils import host_filters


def test_texts_are_sent_as_they_are_and_lists_as_alternatives():
    entries = ["Node:state=Up", ["Node:state!=Down", "labels.env=lab"]]
    assert host_filters.query_of("field", "fields", entries) == [
        ("field", "Node:state=Up"),
        ("field", "Node:state!=Down || labels.env=lab"),
    ]


@pytest.mark.parametrize("entry", [[], "", [""], {"state": "Up"}, [["state=Up"]], 5, None, [True]])
def test_what_is_no_filter_is_refused_with_its_place(entry):
    with pytest.raises(host_filters.FilterError, match=r"^labels\[1\]: "):
        host_filters.query_of("label", "labels", ["env=lab", entry])
