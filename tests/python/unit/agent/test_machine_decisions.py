"""The decision table, row by row; who may run what is decided here and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from controller.agent.assignments import Assigned
from controller.agent.drivers.types import Machine, MachineState, PauseReason
from controller.agent.journal import MigrationPhase, MigrationRecord
from controller.agent.machine_decisions import Step, decide
from tests.python.unit.agent.bench import item

RUNNING = {"state": MachineState.RUNNING}
STOPPED = {"state": MachineState.STOPPED}
ARRIVED = {"state": MachineState.PAUSED, "pause_reason": PauseReason.USER}
INCOMING = {"state": MachineState.PAUSED, "pause_reason": PauseReason.INCOMING}
SENT_AWAY = {"state": MachineState.PAUSED, "pause_reason": PauseReason.MIGRATION}

MOVING = {"migrate_to": "server1", "attempt": 2}
READY = {**MOVING, "migrate_ready": True}
SENDING, SENT, FAILED, UNCLEAR, PREPARED = (
    MigrationRecord(2, MigrationPhase[name]) for name in ("SENDING", "SENT", "FAILED", "UNCLEAR", "PREPARED")
)


def machine(**values: Any) -> Machine:
    return Machine(**{"uid": "u0", "name": "default.kanto.web-0", "revision": 1, **values})


def step(there: dict[str, Any] | None, record: MigrationRecord | None = None, /, **asked: Any) -> Step:
    flags = {
        name: asked.pop(name)
        for name in ("confirmed", "held", "boot_unconfirmed", "removed", "sending")
        if name in asked
    }
    return decide(Assigned(item(**asked)), machine(**there) if there else None, record, **flags).step


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (None, {}, Step.ENSURE),
        (STOPPED, {}, Step.ENSURE),
        (STOPPED, {"held": True}, Step.NOTHING),
        (STOPPED, {"power": "Stopped"}, Step.NOTHING),
        (STOPPED, {"power": "Stopped", "revision": 2}, Step.ENSURE),
        (RUNNING, {}, Step.NOTHING),
        (RUNNING, {"power": "Stopped"}, Step.ENSURE),
        (RUNNING, {"revision": 2}, Step.ENSURE),
        (RUNNING, {"reboots": 1}, Step.ENSURE),
        ({**RUNNING, "persistent": False}, {}, Step.ENSURE),
        # Kept to another part of the host than it was assigned, or to a host as it was once.
        ({**RUNNING, "cpus": (2,)}, {"cpus": [3]}, Step.ENSURE),
        ({**RUNNING, "cells": (0,)}, {"cells": [0, 1]}, Step.ENSURE),
        ({**RUNNING, "settled": False}, {}, Step.ENSURE),
        ({**RUNNING, "cells": (0,), "cpus": (2,)}, {"cells": [0], "cpus": [2]}, Step.NOTHING),
        ({**STOPPED, "settled": False}, {"power": "Stopped", "cpus": [2]}, Step.NOTHING),
        ({**RUNNING, "migrating": True}, {"revision": 2}, Step.WAIT),
        ({"state": MachineState.UNKNOWN}, {}, Step.WAIT),
        (ARRIVED, {}, Step.RESUME),
        ({**ARRIVED, "migrating": True}, {}, Step.WAIT),
        (ARRIVED, {"power": "Stopped"}, Step.ENSURE),
        (INCOMING, {}, Step.WAIT),
        (SENT_AWAY, {}, Step.RESUME),
        (SENT_AWAY, {"power": "Stopped"}, Step.RESUME),
        (SENT_AWAY, {"confirmed": False}, Step.WAIT),
        # The node was restarted: it may have been given up meanwhile.
        (None, {"confirmed": False, "boot_unconfirmed": True}, Step.WAIT),
        (STOPPED, {"confirmed": False, "boot_unconfirmed": True}, Step.WAIT),
        (ARRIVED, {"confirmed": False, "boot_unconfirmed": True}, Step.WAIT),
        (RUNNING, {"confirmed": False, "boot_unconfirmed": True}, Step.NOTHING),
        (STOPPED, {"confirmed": True, "boot_unconfirmed": True}, Step.ENSURE),
        (STOPPED, {"confirmed": False}, Step.ENSURE),
    ],
)
def test_an_owner(there: dict[str, Any] | None, asked: dict[str, Any], expected: Step) -> None:
    assert step(there, **asked) is expected


@pytest.mark.design("E1")
@pytest.mark.parametrize(
    ("there", "record", "asked", "expected", "phase"),
    [
        (RUNNING, None, MOVING, Step.NOTHING, None),
        (RUNNING, None, READY, Step.SEND, MigrationPhase.SENDING),
        ({**RUNNING, "migrating": True}, None, READY, Step.WAIT, None),
        (RUNNING, MigrationRecord(1, MigrationPhase.FAILED), READY, Step.SEND, MigrationPhase.SENDING),
        (RUNNING, FAILED, READY, Step.NOTHING, MigrationPhase.FAILED),
        (STOPPED, FAILED, READY, Step.ENSURE, MigrationPhase.FAILED),
        (RUNNING, SENDING, READY, Step.REPAIR, MigrationPhase.SENDING),
        ({**RUNNING, "migrating": True}, SENDING, READY, Step.WAIT, MigrationPhase.SENDING),
        ({**SENT_AWAY, "migrating": True}, SENDING, READY, Step.REPAIR, MigrationPhase.SENDING),
        (SENT_AWAY, SENDING, READY, Step.WAIT, MigrationPhase.UNCLEAR),
        (STOPPED, SENDING, READY, Step.WAIT, MigrationPhase.UNCLEAR),
        (None, SENDING, READY, Step.WAIT, MigrationPhase.UNCLEAR),
        (None, UNCLEAR, READY, Step.WAIT, MigrationPhase.UNCLEAR),
        (RUNNING, UNCLEAR, READY, Step.REPAIR, MigrationPhase.SENDING),
        (None, SENT, READY, Step.NOTHING, MigrationPhase.SENT),
        (STOPPED, SENT, READY, Step.NOTHING, MigrationPhase.SENT),
        (SENT_AWAY, SENT, READY, Step.NOTHING, MigrationPhase.SENT),
        # The controller has ended it, in a full set of this session:
        (None, SENT, {}, Step.ENSURE, None),
        (SENT_AWAY, UNCLEAR, {}, Step.RESUME, None),
        # ... but not in assignments from before:
        (None, SENT, {"confirmed": False}, Step.WAIT, None),
        (STOPPED, UNCLEAR, {"confirmed": False}, Step.WAIT, None),
        (STOPPED, FAILED, {"confirmed": False}, Step.ENSURE, None),
    ],
)
def test_a_source(
    there: dict[str, Any] | None,
    record: MigrationRecord | None,
    asked: dict[str, Any],
    expected: Step,
    phase: MigrationPhase | None,
) -> None:
    flags = {name: value for name, value in asked.items() if name == "confirmed"}
    given = {name: value for name, value in asked.items() if name != "confirmed"}
    decision = decide(Assigned(item(**given)), machine(**there) if there else None, record, **flags)
    assert (decision.step, decision.phase) == (expected, phase)


@pytest.mark.parametrize("there", [None, RUNNING, STOPPED, ARRIVED, INCOMING, SENT_AWAY])
def test_while_it_is_sent_nothing_else_is_done_or_reported(there: dict[str, Any] | None) -> None:
    for asked in (READY, {"attempt": 3}, {"role": "Leaving"}):
        decision = decide(Assigned(item(**asked)), machine(**there) if there else None, SENDING, sending=2)
        assert (decision.step, decision.phase, decision.attempt) == (Step.WAIT, MigrationPhase.SENDING, 2)


def test_a_job_that_goes_on_without_us_is_said_under_its_own_number() -> None:
    there = machine(**RUNNING, migrating=True)
    decision = decide(Assigned(item(attempt=3)), there, SENDING)
    assert (decision.step, decision.phase, decision.attempt) == (Step.WAIT, MigrationPhase.SENDING, 2)


@pytest.mark.design("E1")
@pytest.mark.parametrize("there", [None, RUNNING, STOPPED, ARRIVED, INCOMING, SENT_AWAY])
@pytest.mark.parametrize("record", [None, PREPARED, FAILED, SENT])
def test_an_incoming_copy_is_never_set_going(there: dict[str, Any] | None, record: MigrationRecord | None) -> None:
    decided = step(there, record, role="Incoming", attempt=2)
    prepares = record is None and there in (None, STOPPED)
    assert decided is Step.PREPARE if prepares else decided in (Step.NOTHING, Step.WAIT)


@pytest.mark.parametrize("there", [None, RUNNING, STOPPED, ARRIVED, INCOMING, SENT_AWAY])
def test_what_leaves_is_removed_whatever_it_is(there: dict[str, Any] | None) -> None:
    assert step(there, role="Leaving") is Step.REMOVE
    assert step(there, role="Leaving", removed=True) is (Step.REMOVE if there else Step.NOTHING)
