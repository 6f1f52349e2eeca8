"""The plan of a write: what a set of documents would change, and why it would be refused.

The plan of every PUT, apply and action is made here, by ``plan_writes``: stored forms, diff, new status, then the
refusals. Reads only. A dry run uses the steps on a snapshot; a real write uses them inside its transaction, so that
what was checked still holds at the commit. Stored forms and references are read in bulk, not per document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from controller.errors import Conflict, InvalidInput, Problem
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes import (
    cabling,
    disk_names,
    immutability_rules,
    port_claims,
    rack_pairs,
    rack_space,
    status_after_write,
    subnets,
)
from controller.root.writes import diff as differ
from controller.root.writes.diff import FieldChange
from controller.root.writes.immutability_rules import Refusal
from controller.store import changes, references, resources
from controller.store.database import Transaction

_INDEXED = re.compile(r"\[(\d+)\]\.?")


class Action(StrEnum):
    """What a write does with one resource."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"


@dataclass(frozen=True)
class Step:
    """One resource of a plan."""

    key: Key
    action: Action
    current: AnyResource | None = None
    after: AnyResource | None = None
    diff: tuple[FieldChange, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unresolved: tuple[Problem, ...] = ()
    forecast: dict[str, Any] | None = None


@dataclass(frozen=True)
class Plan:
    """What a write would do as of one version."""

    as_of: int
    steps: tuple[Step, ...] = field(default=())


def plan_writes(tx: Transaction, wanted: Sequence[AnyResource]) -> Plan:
    """Return the steps, in the order of the documents; raises InvalidInput when a resource is given twice."""
    keys = [key_of(resource) for resource in wanted]
    _refuse_duplicates(keys)
    stored = resources.get_many(tx, keys)
    steps = [_step(tx, key, stored.get(key), resource) for key, resource in zip(keys, wanted, strict=True)]
    changing = [index for index, step in enumerate(steps) if step.action is not Action.UNCHANGED]
    for index, problem in _unresolved(tx, steps, changing):
        steps[index] = replace(steps[index], unresolved=(*steps[index].unresolved, problem))
    touched = [(index, steps[index].current, steps[index].after) for index in changing]
    for index, refusal in (
        *port_claims.refusals(tx, touched),
        *subnets.refusals(tx, touched),
        *rack_pairs.refusals(touched),
        *rack_space.refusals(tx, touched),
        *cabling.refusals(tx, touched),
        *disk_names.refusals(tx, touched),
    ):
        steps[index] = replace(steps[index], refusals=(*steps[index].refusals, refusal))
    return Plan(changes.head(tx), tuple(steps))


def refuse(steps: Sequence[Step], *, several: bool) -> None:
    """Raise what a real write answers to refused steps: all bad fields, or else the first conflict."""
    problems: list[Problem] = []
    conflicts: list[Refusal] = []
    for index, step in enumerate(steps):
        prefix = f"[{index}]." if several else ""
        problems.extend(Problem(prefix + one.path, one.message) for one in step.unresolved)
        for refusal in step.refusals:
            if refusal.code == InvalidInput.code:
                problems.append(Problem(prefix + refusal.path, refusal.message))
            else:
                conflicts.append(refusal)
    if problems:
        raise InvalidInput(problems)
    if conflicts:
        first = conflicts[0]
        raise Conflict(first.message, users=first.users, user_count=first.user_count)


def _step(tx: Transaction, key: Key, current: AnyResource | None, wanted: AnyResource) -> Step:
    if current is None:
        after = status_after_write.created(wanted)
        refused = immutability_rules.refusals(tx, None, after, ())
        return Step(key, Action.CREATE, None, after, tuple(differ.created(after)), tuple(refused))
    if differ.same(current, wanted):
        # "Unchanged" confirms that the resource is there and stays: nothing that is being deleted may be confirmed.
        refused = immutability_rules.being_deleted(current)
        return Step(key, Action.UNCHANGED, current, current, (), tuple(refused))
    found = differ.compare(current, wanted)
    after = status_after_write.updated(current, wanted, found)
    refused = immutability_rules.refusals(tx, current, after, found)
    return Step(key, Action.UPDATE, current, after, tuple(found), tuple(refused))


def _unresolved(tx: Transaction, steps: Sequence[Step], changing: Sequence[int]) -> list[tuple[int, Problem]]:
    """Return the names that do not exist, by step; resources of the same batch count as existing."""
    batch = [after for index in changing if (after := steps[index].after) is not None]
    found: list[tuple[int, Problem]] = []
    for problem in references.unresolved(tx, batch):
        match = _INDEXED.match(problem.path) if len(batch) > 1 else None
        position = int(match[1]) if match else 0
        path = problem.path[match.end() :] if match else problem.path
        found.append((changing[position], Problem(path, problem.message)))
    return found


def _refuse_duplicates(keys: Sequence[Key]) -> None:
    first: dict[Key, int] = {}
    duplicates: list[Problem] = []
    for index, key in enumerate(keys):
        if first.setdefault(key, index) != index:
            duplicates.append(Problem(f"[{index}]", f"{key} is given twice, in [{first[key]}] already"))
    if duplicates:
        raise InvalidInput(duplicates)
