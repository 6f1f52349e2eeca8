# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting: how long, and what an API that is away for a while does to it."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils.client import ApiError, Unreachable
from ansible_collections.resource.infra.plugins.plugin_utils.task import Refused, Task, WaitTimeout


class Clock:
    """Time that passes only where it is slept."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def task(clock, **options):
    given = {"name": "kanto", "api_url": "http://127.0.0.1:1", "api_token": "rs_some", **options}
    return Task("region", given, clock=clock)


def answers(*given):
    """Answers one after the other, the last one for ever."""
    left = list(given)

    def ask():
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, Exception):
            raise one
        return one

    return ask


def test_it_ends_when_it_is_done_and_asks_less_and_less_often():
    clock = Clock()
    task(clock).until(answers(*[False] * 20, True), "it did not")
    assert 20 < clock.now < 20 * 3


def test_it_ends_at_the_timeout_and_not_after_it():
    clock = Clock()
    with pytest.raises(WaitTimeout, match=r"^it did not within 30 s$"):
        task(clock, wait_timeout=30).until(answers(False), "it did not")
    assert 25 < clock.now <= 30


def test_no_time_to_wait_is_one_look():
    clock = Clock()
    task(clock, wait_timeout=0).until(answers(True), "it did not")
    with pytest.raises(WaitTimeout, match="within 0 s"):
        task(clock, wait_timeout=0).until(answers(False), "it did not")
    assert clock.now == 0


@pytest.mark.parametrize("away", [Unreachable("no connection"), ApiError(503, "unavailable", "it is ending")])
def test_an_api_that_is_restarted_is_waited_for(away):
    clock = Clock()
    task(clock).until(answers(False, away, away, True), "it did not")
    with pytest.raises(WaitTimeout, match=f"it did not within 300 s: {away}"):
        task(clock).until(answers(away), "it did not")


@pytest.mark.parametrize("error", [ApiError(401, "unauthenticated", "revoked"), Refused("is in Error")])
def test_what_waiting_does_not_mend_ends_it(error):
    clock = Clock()
    with pytest.raises(type(error)):
        task(clock).until(answers(error), "it did not")
    assert clock.now == 0
