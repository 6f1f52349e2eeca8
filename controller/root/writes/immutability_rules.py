"""The rules that refuse changes of immutable fields, and changes that other resources prevent, per kind.

Whether the document itself is valid is checked before. The rules are checked inside the write's own
transaction, or on the snapshot of a dry run. Each refusal names the field and carries
the status that a real write answers: 422 for a change that is never possible, 409 for a change that other resources
prevent now. ``refusals`` only finds them; ``plan.refuse`` raises them.

- A field whose ``x-change`` is ``refused`` cannot change (``model.fields``).
- A ResourceFlavor and an Image have a rule of their own in its place: what Computes were made from cannot change while
  Computes use it. The URLs of an Image can: its checksums say that the bytes are the same.
- A NetworkV4's pool cannot exclude addresses that are in use.
- A Volume cannot shrink.
- A RegionService gets or loses no Loadbalancer.
- A name leaves room for the names that are made from it (``derived_names``).
- What is being deleted cannot change, and cannot be confirmed as unchanged either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from controller.errors import Conflict, InvalidInput
from controller.model.fields import Change
from controller.model.network import NETWORK_V4_PORT, NetworkV4, NetworkV4Port
from controller.model.registry import AnyResource, key_of
from controller.model.volume import Volume
from controller.root.writes import derived_names
from controller.root.writes.diff import FieldChange
from controller.store import references, resources
from controller.store.database import Transaction

_MAX_USERS = 20


@dataclass(frozen=True)
class Refusal:
    """Why a write would be refused."""

    code: str
    path: str
    message: str
    users: tuple[str, ...] = ()
    user_count: int = 0


def invalid(path: str, message: str) -> Refusal:
    """Return a refusal that is a 422."""
    return Refusal(InvalidInput.code, path, message)


def conflict(path: str, message: str, users: Sequence[str] = (), count: int | None = None) -> Refusal:
    """Return a refusal that is a 409."""
    return Refusal(Conflict.code, path, message, tuple(users[:_MAX_USERS]), len(users) if count is None else count)


def being_deleted(current: AnyResource) -> list[Refusal]:
    """Return the refusal of every write to a resource that is being deleted, also of one that changes nothing."""
    return [conflict("status", f"{key_of(current)} is being deleted")] if current.is_deleting else []


def refusals(
    tx: Transaction, current: AnyResource | None, after: AnyResource, diff: Sequence[FieldChange]
) -> list[Refusal]:
    """Return every reason against writing ``after`` over ``current``."""
    found: list[Refusal] = []
    if current is not None:
        found.extend(being_deleted(current))
        if after.kind not in _IN_USE:
            found.extend(_refused_fields(diff))
    found.extend(invalid(path, reason) for path, reason in derived_names.problems(current, after))
    rule = _RULES.get(after.kind)
    if rule is not None:
        found.extend(rule(tx, current, after, diff))
    return found


def _refused_fields(diff: Sequence[FieldChange]) -> Iterator[Refusal]:
    for change in diff:
        if change.change is Change.REFUSED:
            yield invalid(change.path, f"cannot be changed, it is {_plain(change.before)}")


def _in_use(
    tx: Transaction, current: AnyResource | None, after: AnyResource, diff: Sequence[FieldChange]
) -> Iterator[Refusal]:
    """Refuse to change what Computes were made from while they use it."""
    hard = [change for change in diff if change.change is not Change.LIVE and change.path.startswith("spec.")]
    if current is None or not hard:
        return
    users, count = references.users(tx, key_of(current), _MAX_USERS)
    if count:
        yield conflict(hard[0].path, f"{key_of(current)} is in use and cannot change; create another one", users, count)


def _network(
    tx: Transaction, current: AnyResource | None, after: AnyResource, diff: Sequence[FieldChange]
) -> Iterator[Refusal]:
    assert isinstance(after, NetworkV4)
    if current is None:
        return
    if not any(change.path in ("spec.start_address", "spec.end_address") for change in diff):
        return
    outside = []
    for port in resources.list_all(tx, NETWORK_V4_PORT, parents=(*after.parent_names, after.name)):
        assert isinstance(port, NetworkV4Port)
        if not after.spec.start_address <= port.spec.address <= after.spec.end_address:
            outside.append(f"{port.spec.owner_kind} {port.spec.owner} ({port.spec.address})")
    if outside:
        yield conflict("spec", "addresses outside the new pool are in use", outside)


def _volume(
    tx: Transaction, current: AnyResource | None, after: AnyResource, diff: Sequence[FieldChange]
) -> Iterator[Refusal]:
    assert isinstance(after, Volume)
    if isinstance(current, Volume) and after.spec.size_gib < current.spec.size_gib:
        yield invalid("spec.size_gib", f"a volume cannot shrink, it has {current.spec.size_gib} GiB")


def _service(
    tx: Transaction, current: AnyResource | None, after: AnyResource, diff: Sequence[FieldChange]
) -> Iterator[Refusal]:
    if current is not None and (current.spec.loadbalancer is None) != (after.spec.loadbalancer is None):
        yield invalid(
            "spec.loadbalancer", "a Loadbalancer is created only with a new RegionService and deleted only with it"
        )


def _plain(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 100 else text[:100] + "..."


Rule = Callable[[Transaction, AnyResource | None, AnyResource, Sequence[FieldChange]], Iterator[Refusal]]
_IN_USE = ("ResourceFlavor", "Image")
_RULES: dict[str, Rule] = {
    "ResourceFlavor": _in_use,
    "Image": _in_use,
    "NetworkV4": _network,
    "Volume": _volume,
    "RegionService": _service,
}
