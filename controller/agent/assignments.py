"""What the cluster API has assigned to this node: the last word of it, kept on the node's disk.

Owns the set of assignments. A message is on disk before ``take`` returns, and only then acted on:
so a restarted agent never acts on an older word than before, and with the cluster API away it
keeps what it has (fail static).

``confirmed`` says that a full set came in the present session; only then may the agent conclude
that a machine which no assignment names is to go.

One assignment per resource and node is the rule of the cluster's database. Should two be there
for an instant, the Owner's counts, then the Leaving one's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from controller.agent.atomic_file import read_or_none, write_durably
from controller.agent.drivers.types import Desired
from controller.errors import InvalidInput, Problem
from controller.model.assignment import AssignmentRole
from controller.model.compute import ComputeSpec
from controller.wire.agent_pb2 import AssignmentItem
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage

_PRECEDENCE = {AssignmentRole.OWNER: 0, AssignmentRole.LEAVING: 1, AssignmentRole.INCOMING: 2}

_ROLES = {role.value for role in AssignmentRole}


@dataclass(frozen=True)
class Assigned:
    """One assignment."""

    item: AssignmentItem = field(hash=False)

    @property
    def uid(self) -> str:
        """Identity of the resource."""
        return str(self.item.resource_uid)

    @property
    def kind(self) -> str:
        """Kind of the resource: ``Compute`` or ``Loadbalancer``."""
        return str(self.item.resource_kind)

    @cached_property
    def role(self) -> AssignmentRole:
        """What this node may do with it."""
        return AssignmentRole(self.item.role)

    @cached_property
    def spec(self) -> ComputeSpec:
        """The Compute's spec. Raises InvalidInput when this agent does not understand it."""
        try:
            return ComputeSpec.model_validate_json(self.item.spec)
        except ValidationError as error:
            problems = [Problem(".".join(str(part) for part in one["loc"]), one["msg"]) for one in error.errors()]
            raise InvalidInput(problems) from error

    @cached_property
    def shutdown_timeout(self) -> float:
        """Seconds for a graceful end; 0 where the spec is not understood."""
        try:
            return float(self.spec.shutdown_timeout)
        except InvalidInput:
            return 0.0

    @property
    def desired(self) -> Desired:
        """The machine to ask of the driver."""
        return Desired(
            uid=self.uid,
            name=self.item.resource.replace("/", "."),
            revision=self.item.revision,
            spec=self.spec,
            cells=tuple(self.item.cells),
            cpus=tuple(self.item.cpus),
        )


class Assignments:
    """The set, by assignment and by resource."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` None: nothing is kept (simulated agents)."""
        self._path = folder / "assignments" if folder else None
        self._writing = threading.Lock()
        self._by_name: dict[str, Assigned] = {}
        self._by_uid: dict[str, list[Assigned]] = {}
        self.version = 0
        self.confirmed = False
        self.known = False
        """Whether there was ever a full set; before it the agent knows nothing of its node."""

    def load(self) -> None:
        """Read what an earlier process kept."""
        content = read_or_none(self._path) if self._path else None
        if content is not None:
            message = AssignmentsMessage.FromString(content)
            self._remember(message, *self._applied(message))

    async def take(self, message: AssignmentsMessage) -> set[str]:
        """Take in a message; returns the uids of resources whose assignments it changed.

        Raises InvalidInput for a role that this agent does not know, OSError when the disk refuses, and
        then keeps what it has.
        """
        by_name, changed = self._applied(message)
        if self._path is not None and (changed or message.full):
            await asyncio.to_thread(self._write, self._path, _content(message.version, by_name))
        self._remember(message, by_name, changed)
        # A change before the first full set of a session is taken in, but proves nothing about the rest.
        self.confirmed = self.confirmed or message.full
        return changed

    def session_ended(self) -> None:
        """The next session must send a full set before strays may be removed."""
        self.confirmed = False

    def of(self, uid: str) -> Assigned | None:
        """The assignment of a resource to this node."""
        found = self._by_uid.get(uid)
        return found[0] if found else None

    def uids(self) -> list[str]:
        """Resources that are assigned to this node."""
        return list(self._by_uid)

    def _write(self, path: Path, content: bytes) -> None:
        with self._writing:  # one that was cancelled in the middle goes on in its thread
            write_durably(path, content)

    def _applied(self, message: AssignmentsMessage) -> tuple[dict[str, Assigned], set[str]]:
        """The set as it is after a message, and the uids of what that changes."""
        for item in message.items:
            if item.role not in _ROLES:
                raise InvalidInput([Problem(item.name, f"role {item.role!r} is not known to this agent")])
        by_name = dict(self._by_name)
        gone = set(message.removed)
        if message.full:
            gone |= by_name.keys() - {item.name for item in message.items}
        changed: set[str] = set()
        for name in gone:
            old = by_name.pop(name, None)
            if old is not None:
                changed.add(old.uid)
        for item in message.items:
            old = by_name.get(item.name)
            if old is None or old.item != item:
                by_name[item.name] = Assigned(item)
                changed.add(item.resource_uid)
                if old is not None:
                    changed.add(old.uid)
        return by_name, changed

    def _remember(self, message: AssignmentsMessage, by_name: dict[str, Assigned], changed: set[str]) -> None:
        self.version = message.version
        self.known = self.known or message.full
        if not changed:
            return
        self._by_name = by_name
        self._by_uid = {}
        for assigned in sorted(by_name.values(), key=lambda one: _PRECEDENCE[one.role]):
            self._by_uid.setdefault(assigned.uid, []).append(assigned)


def _content(version: int, by_name: Mapping[str, Assigned]) -> bytes:
    items = [assigned.item for assigned in by_name.values()]
    return AssignmentsMessage(full=True, version=version, items=items).SerializeToString()
