# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write that meets another one: tried again on the newer state, after a pause that grows."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils.client import ApiError
from ansible_collections.resource.infra.plugins.plugin_utils import resource_task
from ansible_collections.resource.infra.plugins.plugin_utils.task import Refused, Task


class Clock:
    """Notes the pauses."""

    def __init__(self):
        self.pauses = []

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        self.pauses.append(seconds)


class Contended:
    """An API whose resource somebody else changes before each of the first writes."""

    def __init__(self, lost):
        self.lost, self.version = lost, 1

    def request(self, method, path, query=None, body=None, headers=None):
        found = {"status": "Active", "resource_version": self.version, "labels": {}, "spec": {"description": ""}}
        if method == "GET":
            return {}, found
        if self.lost:
            self.lost, self.version = self.lost - 1, self.version + 1
            raise ApiError(412, "precondition_failed", "changed")
        self.version += 1
        return {}, {**found, "resource_version": self.version, "spec": body["spec"]}


def run(lost):
    clock = Clock()
    given = {"name": "kanto", "description": "new", "api_url": "http://127.0.0.1:1", "api_token": "rs_some"}
    task = Task("region", given, clock=clock)
    task.client = Contended(lost)
    return clock, lambda: resource_task.state(task)


def test_a_write_that_meets_nobody_does_not_pause():
    clock, write = run(0)
    assert write()["changed"]
    assert clock.pauses == []


def test_pauses_grow_and_the_newer_state_is_written():
    clock, write = run(3)
    assert write()["resource"]["spec"] == {"description": "new"}
    assert len(clock.pauses) == 3
    assert clock.pauses == sorted(clock.pauses)


def test_it_gives_up_and_says_so():
    clock, write = run(100)
    with pytest.raises(Refused, match="was changed by others 5 times in a row"):
        write()
    assert len(clock.pauses) == 4
