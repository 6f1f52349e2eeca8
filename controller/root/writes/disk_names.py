"""Disks of one Compute must have names that its guest can distinguish.

The serial number that a guest sees has 20 characters (virtio): the first of the name, ``root`` for the root disk. A
name whose serial another disk of the same Compute has is refused when it is given, for disks of the template and for
Volumes: two equal names are refused by the agent, and of two equal serials a guest finds one. What was stored before
this rule stays.

Checked for a whole batch at once, with stored services and Volumes; nothing is read for a batch without new disks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from controller.model.compute import ROOT_SERIAL, SERIAL_LENGTH, serial_of
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import Key, key_of
from controller.model.volume import VOLUME, Volume
from controller.root.writes.immutability_rules import Refusal, invalid
from controller.root.writes.port_claims import Change
from controller.store import resources
from controller.store.database import Transaction

_DISKS = "spec.compute.disks"


def refusals(tx: Transaction, changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the new disks and Volumes that a guest could not distinguish from others."""
    volumes: dict[Key[RegionService], list[tuple[int, Volume]]] = defaultdict(list)
    services: dict[Key[RegionService], tuple[int, RegionService]] = {}
    concerned: dict[Key[RegionService], None] = {}
    for index, before, after in changes:
        if isinstance(after, Volume) and before is None:
            key = REGION_SERVICE.key(after.region, after.spec.attachment.service, project=after.project)
            volumes[key].append((index, after))
            concerned[key] = None
        elif isinstance(after, RegionService):
            key = REGION_SERVICE.narrow(key_of(after))
            services[key] = index, after
            if set(_disks(after)) - set(_disks(before if isinstance(before, RegionService) else None)):
                concerned[key] = None
    stored = resources.get_many(tx, list(concerned)) if concerned else {}
    found: list[tuple[int, Refusal]] = []
    for key in concerned:
        old = stored.get(key)
        attached = _volumes(tx, key) if old is not None else []
        step, new = services.get(key, (-1, old))
        found += [(step, refusal) for refusal in _of_template(_disks(old), _disks(new), attached)]
        found += _of_volumes(_disks(new), attached, volumes[key])
    return found


def _of_template(before: Sequence[str], after: Sequence[str], volumes: Sequence[Volume]) -> Iterator[Refusal]:
    attached = {serial_of(volume.name): volume.name for volume in volumes}
    seen: dict[str, str] = {serial_of(name): name for name in before}
    for name in after:
        if name in before:
            continue
        serial = serial_of(name)
        other = seen.get(serial) or attached.get(serial)
        if serial == ROOT_SERIAL or other is not None:
            yield invalid(_DISKS, _why(name, other))
        seen.setdefault(serial, name)


def _of_volumes(
    template: Sequence[str], stored: Sequence[Volume], new: Sequence[tuple[int, Volume]]
) -> Iterator[tuple[int, Refusal]]:
    common = {serial_of(name): name for name in template}
    by_index: dict[int, dict[str, str]] = defaultdict(dict)
    for volume in stored:
        by_index[volume.spec.attachment.index][serial_of(volume.name)] = volume.name
    for step, volume in new:
        serial, others = serial_of(volume.name), by_index[volume.spec.attachment.index]
        other = common.get(serial) or others.get(serial)
        if serial == ROOT_SERIAL or other is not None:
            yield step, invalid("name", _why(volume.name, other))
        others.setdefault(serial, volume.name)


def _why(name: str, other: str | None) -> str:
    if other is None:
        return f"a disk cannot be named {name}: the guest knows the root disk by that name"
    if name == other:
        return f"the Compute has a disk {name} already"
    return (
        f"the guest knows a disk by the first {SERIAL_LENGTH} characters of its name, and those of {name} are those "
        f"of disk {other}"
    )


def _disks(service: RegionService | None) -> list[str]:
    return [disk.name for disk in service.spec.compute.disks] if service is not None else []


def _volumes(tx: Transaction, service: Key[RegionService]) -> list[Volume]:
    region, name = service.names
    fields = {"spec.attachment.service": name}
    return resources.list_all(tx, VOLUME, parents=(region,), project=service.project, fields=fields)
