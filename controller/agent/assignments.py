"""Keeps what the cluster API has assigned to this node, in memory and on the node's disk, for the whole agent.

A message is on disk before ``apply`` returns, and the agent acts on it only then. So a restarted
agent never acts on older assignments than before, and while the cluster API is away it keeps those
that it has (fail static).

``confirmed`` says that a full set came in the present session. Only then may the agent conclude
that a machine without an assignment must be removed.

The cluster's database allows one assignment per resource and node. If two exist for an instant,
the Owner's counts, then the Leaving one's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from controller.agent.atomic_file import read_or_none, write_durably
from controller.agent.drivers.types import Desired
from controller.errors import InvalidInput, Problem
from controller.model.assignment import AssignmentRole
from controller.model.compute import ComputeSpec
from controller.model.moments import STORED
from controller.wire.agent_pb2 import AssignmentItem, NetworkAccess
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage

_PRECEDENCE = {AssignmentRole.OWNER: 0, AssignmentRole.LEAVING: 1, AssignmentRole.INCOMING: 2}

_ROLES = {role.value for role in AssignmentRole}


@dataclass(frozen=True)
class Assigned:
    """One assignment of a resource to this node."""

    item: AssignmentItem = field(hash=False)

    @property
    def uid(self) -> str:
        """Return the identity of the resource."""
        return str(self.item.resource_uid)

    @property
    def service(self) -> str:
        """Return the key path of the RegionService of a Compute. Raises InvalidInput as ``spec`` does."""
        return f"{self.item.resource.rpartition('/')[0]}/{self.spec.service}"

    @property
    def kind(self) -> str:
        """Return the kind of the resource: ``Compute`` or ``Loadbalancer``."""
        return str(self.item.resource_kind)

    @cached_property
    def role(self) -> AssignmentRole:
        """Return what this node may do with the resource."""
        return AssignmentRole(self.item.role)

    @cached_property
    def spec(self) -> ComputeSpec:
        """Return the Compute's spec. Raises InvalidInput when this agent does not understand it."""
        try:
            return ComputeSpec.model_validate_json(self.item.spec, context=STORED)
        except ValidationError as error:
            problems = [Problem(".".join(str(part) for part in one["loc"]), one["msg"]) for one in error.errors()]
            raise InvalidInput(problems) from error

    @cached_property
    def shutdown_timeout(self) -> float:
        """Return the seconds for a graceful shutdown; 0 if this agent does not understand the spec."""
        try:
            return float(self.spec.shutdown_timeout)
        except InvalidInput:
            return 0.0

    @property
    def desired(self) -> Desired:
        """Return the machine that the driver is asked to realise."""
        return Desired(
            uid=self.uid,
            name=self.item.resource.replace("/", "."),
            revision=self.item.revision,
            spec=self.spec,
            cells=tuple(self.item.cells),
            cpus=tuple(self.item.cpus),
        )


class Assignments:
    """The set of assignments, by name and by resource."""

    def __init__(self, folder: Path | None = None, *, write: Callable[[Path, bytes], None] | None = None) -> None:
        """``folder`` None: kept in memory only (simulated agents). ``write``: instead of ``write_durably``."""
        self._path = folder / "assignments" if folder else None
        self._write_file = write
        self._writing = threading.Lock()
        self._by_name: dict[str, Assigned] = {}
        self._by_uid: dict[str, list[Assigned]] = {}
        self.version = 0
        self.epoch = ""
        """Of the cluster's database that the last full set came from."""
        self.confirmed = False
        self.known = False
        """Whether a full set ever came; before it the agent knows nothing about its node."""
        self.access: NetworkAccess | None = None
        """Who may open connections to the node's machines; None: no cluster that knows has sent it."""

    def read(self) -> bytes | None:
        """Read what an earlier process wrote, for ``load``. Blocks."""
        return read_or_none(self._path) if self._path else None

    def load(self, content: bytes | None) -> None:
        """Begin with what was read."""
        if content is not None:
            message = AssignmentsMessage.FromString(content)
            self._replace(message, *self._applied(message))

    async def apply(self, message: AssignmentsMessage) -> set[str]:
        """Apply a message; return the uids of resources whose assignments it changed.

        Raises InvalidInput for a role that this agent does not know, and what the writer raises when
        the disk refuses; nothing is changed then.
        """
        by_name, changed = self._applied(message)
        access = self._access_after(message)
        if self._path is not None and (changed or message.full or access is not self.access):
            content = _serialize(message.version, message.epoch or self.epoch, by_name, access)
            await asyncio.to_thread(self._write, self._path, content)
        self._replace(message, by_name, changed)
        # A change before the first full set of a session is applied, but proves nothing about the rest.
        self.confirmed = self.confirmed or message.full
        return changed

    async def save(self) -> None:
        """Write them again: the folder was away, and may hold older ones. Raises what the writer raises."""
        if self._path is not None and self.known:
            await asyncio.to_thread(
                self._write, self._path, _serialize(self.version, self.epoch, self._by_name, self.access)
            )

    def session_ended(self) -> None:
        """Require a full set from the next session before strays may be removed."""
        self.confirmed = False

    def get(self, uid: str) -> Assigned | None:
        """Return the assignment of a resource to this node."""
        found = self._by_uid.get(uid)
        return found[0] if found else None

    def is_current(self, assigned: Assigned) -> bool:
        """Return whether the assignment was not replaced since it was read; else the next round decides again."""
        return self.get(assigned.uid) is assigned

    def uids(self) -> list[str]:
        """Return the resources that are assigned to this node."""
        return list(self._by_uid)

    def _write(self, path: Path, content: bytes) -> None:
        with self._writing:  # a write whose task was cancelled goes on in its thread
            (self._write_file or write_durably)(path, content)

    def _applied(self, message: AssignmentsMessage) -> tuple[dict[str, Assigned], set[str]]:
        """Return the set as a message makes it, and the uids of the resources that it changes."""
        for item in message.items:
            if item.role not in _ROLES:
                raise InvalidInput([Problem(item.name, f"role {item.role!r} is not known to this agent")])
        by_name = dict(self._by_name)
        removed = set(message.removed)
        if message.full:
            removed |= by_name.keys() - {item.name for item in message.items}
        changed: set[str] = set()
        for name in removed:
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

    def _access_after(self, message: AssignmentsMessage) -> NetworkAccess | None:
        return message.access if message.HasField("access") else self.access

    def _replace(self, message: AssignmentsMessage, by_name: dict[str, Assigned], changed: set[str]) -> None:
        self.version = message.version
        self.epoch = message.epoch or self.epoch
        self.known = self.known or message.full
        self.access = self._access_after(message)
        if not changed:
            return
        self._by_name = by_name
        self._by_uid = {}
        for assigned in sorted(by_name.values(), key=lambda one: _PRECEDENCE[one.role]):
            self._by_uid.setdefault(assigned.uid, []).append(assigned)


def _serialize(version: int, epoch: str, by_name: Mapping[str, Assigned], access: NetworkAccess | None) -> bytes:
    items = [assigned.item for assigned in by_name.values()]
    message = AssignmentsMessage(full=True, version=version, epoch=epoch, items=items, access=access)
    return message.SerializeToString()
