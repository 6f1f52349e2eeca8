"""Devices in racks: each takes units of its own, inside its rack.

A device takes the units from its position upwards, as many as its model is high: at both faces of the rack, or at its
own face if its model has no full depth. Without a model it takes one unit at both faces. A device without a position,
or of height 0, takes none.

Checked for a whole batch at once, as the batch leaves the racks, so that devices can change places in it. Only what the
batch changes is refused: a device that is put somewhere, a rack that becomes lower, a model that becomes larger. What
was wrong before stays possible. The stored neighbours are read with one query for each kind of what they share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.model.datacenter import RACK, Rack
from controller.model.physical_resource import PHYSICAL_MODEL, PHYSICAL_RESOURCE, Face, PhysicalModel, PhysicalResource
from controller.model.registry import Key, key_of
from controller.root.writes.immutability_rules import Refusal, conflict, invalid
from controller.root.writes.port_claims import Change
from controller.store import resources
from controller.store.database import Transaction

_HALF = 2
"""Positions and heights are counted in halves of a unit."""
Slot = tuple[Key, Face, int]
"""Rack, face, and the half unit."""
Racks = dict[Key[Rack], Rack]
Models = dict[Key[PhysicalModel], PhysicalModel]
Devices = dict[Key[PhysicalResource], PhysicalResource]


@dataclass(frozen=True)
class _Batch:
    """What a batch changes of racks, by key; ``index`` has the steps, ``old`` the stored forms."""

    index: dict[Key, int] = field(default_factory=dict)
    old_racks: Racks = field(default_factory=dict)
    racks: Racks = field(default_factory=dict)
    old_models: Models = field(default_factory=dict)
    models: Models = field(default_factory=dict)
    devices: Devices = field(default_factory=dict)
    put: list[Key[PhysicalResource]] = field(default_factory=list)
    """The devices that are put somewhere, in the order of the steps."""


def refusals(tx: Transaction, changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the devices that have no room, and the racks and models that leave none for devices."""
    batch = _read(changes)
    if not (batch.put or batch.old_racks or batch.old_models):
        return []
    at = {rack for key in batch.put for rack in _rack(batch.devices[key])}
    devices = _devices_of(tx, {*at, *batch.old_racks, *batch.old_models})
    if batch.old_models:  # their devices may grow into others of the same racks, which have other models
        devices |= _devices_of(tx, {rack for one in devices.values() for rack in _rack(one)} - at)
    devices |= batch.devices
    racks = resources.get_many(tx, {rack for one in devices.values() for rack in _rack(one)} - batch.racks.keys())
    stored = resources.get_many(tx, {model for one in devices.values() for model in _model(one)} - batch.models.keys())
    models = stored | batch.models
    before = models | batch.old_models
    room = _Room(racks | batch.racks, models, devices)
    put = set(batch.put)
    staying = [key for key in sorted(devices, key=str) if key not in put]
    room.fill(staying)
    return [
        *_lower_racks(batch, room, staying, before),
        *_larger_models(batch, room, staying, before),
        *_put_devices(batch, room),
    ]


class _Room:
    """Which devices take which slots."""

    def __init__(self, racks: Racks, models: Models, devices: Devices) -> None:
        self.racks, self.models, self.devices = racks, models, devices
        self._taken: dict[Slot, list[Key[PhysicalResource]]] = defaultdict(list)

    def fill(self, keys: Sequence[Key[PhysicalResource]]) -> None:
        for key in keys:
            for slot in _slots(self.devices[key], self.models):
                self._taken[slot].append(key)

    def other(self, key: Key, slots: Sequence[Slot]) -> tuple[Key[PhysicalResource], Slot] | None:
        """Return a device other than ``key`` that takes one of the slots, and the slot."""
        found = ((other, slot) for slot in slots for other in self._taken.get(slot, ()) if other != key)
        return next(found, None)

    def rack_of(self, key: Key[PhysicalResource]) -> Rack | None:
        return next((self.racks[rack] for rack in _rack(self.devices[key]) if rack in self.racks), None)

    def exceeds(self, key: Key[PhysicalResource], rack: Rack, models: Models) -> bool:
        """Return whether the device is higher than the top of the rack."""
        return _top(self.devices[key], models) > (rack.spec.height_units + 1) * _HALF


def _read(changes: Sequence[Change]) -> _Batch:
    batch = _Batch()
    for index, before, after in changes:
        match after:
            case Rack():
                batch.index[key_of(after)] = index
                batch.racks[RACK.key(after.datacenter, after.name)] = after
                if isinstance(before, Rack) and after.spec.height_units < before.spec.height_units:
                    batch.old_racks[RACK.key(after.datacenter, after.name)] = before
            case PhysicalModel():
                batch.index[key_of(after)] = index
                batch.models[PHYSICAL_MODEL.key(after.name)] = after
                if isinstance(before, PhysicalModel) and _size(before) != _size(after):
                    batch.old_models[PHYSICAL_MODEL.key(after.name)] = before
            case PhysicalResource():
                batch.index[key_of(after)] = index
                batch.devices[_key(after)] = after
                if not isinstance(before, PhysicalResource) or _placement(before) != _placement(after):
                    batch.put.append(_key(after))
    return batch


def _devices_of(tx: Transaction, named: Iterable[Key[Any]]) -> Devices:
    """Return the stored devices that name any of the racks and models."""
    return {_key(one): one for one in resources.list_referring(tx, PHYSICAL_RESOURCE, named)}


def _lower_racks(
    batch: _Batch, room: _Room, staying: Sequence[Key[PhysicalResource]], before: Models
) -> Iterator[tuple[int, Refusal]]:
    above: dict[Key[Rack], list[str]] = defaultdict(list)
    for key in staying:
        for rack in _rack(room.devices[key]):
            old = batch.old_racks.get(rack)
            if old is None or room.exceeds(key, old, before):
                continue
            if room.exceeds(key, room.racks[rack], room.models):
                above[rack].append(str(key))
    for rack, names in above.items():
        high = room.racks[rack].spec.height_units
        message = f"the rack contains {names[0]}, which needs more than {high} U"
        yield batch.index[rack], conflict("spec.height_units", message, names)


def _larger_models(
    batch: _Batch, room: _Room, staying: Sequence[Key[PhysicalResource]], before: Models
) -> Iterator[tuple[int, Refusal]]:
    refused: set[Key] = set()
    for key in staying:
        device = room.devices[key]
        for model in _model(device):
            if model not in batch.old_models or model in refused:
                continue
            path = "spec.full_depth"
            if before[model].spec.height_units != room.models[model].spec.height_units:
                path = "spec.height_units"
            rack = room.rack_of(key)
            old = set(_slots(device, before))
            message = ""
            users = [str(key)]
            if other := room.other(key, [slot for slot in _slots(device, room.models) if slot not in old]):
                message = f"{key} would take {_at(other[1])}, which {other[0]} takes"
                users.append(str(other[0]))
            elif rack and room.exceeds(key, rack, room.models) and not room.exceeds(key, rack, before):
                message = f"{key} would be higher than {key_of(rack)}, which has {rack.spec.height_units} U"
            if message:
                refused.add(model)
                yield batch.index[model], conflict(path, message, users)


def _put_devices(batch: _Batch, room: _Room) -> Iterator[tuple[int, Refusal]]:
    for key in batch.put:
        device, rack = room.devices[key], room.rack_of(key)
        slots = list(_slots(device, room.models))
        if rack is not None and room.exceeds(key, rack, room.models):
            message = f"{key_of(rack)} has {rack.spec.height_units} U, and the device would be higher than its top"
            yield batch.index[key], invalid("spec.position", message)
        elif other := room.other(key, slots):
            message = f"{_at(other[1])} is taken by {other[0]}"
            if other[0] in batch.put:
                yield batch.index[key], invalid("spec.position", message)
            else:
                yield batch.index[key], conflict("spec.position", message, [str(other[0])])
        room.fill([key])


def _key(device: PhysicalResource) -> Key[PhysicalResource]:
    return PHYSICAL_RESOURCE.key(device.datacenter, device.name)


def _placement(device: PhysicalResource) -> tuple[object, ...]:
    spec = device.spec
    return spec.rack, spec.position, spec.face, spec.model


def _size(model: PhysicalModel) -> tuple[float, bool]:
    return model.spec.height_units, model.spec.full_depth


def _rack(device: PhysicalResource) -> Iterator[Key[Rack]]:
    """Yield the rack of a device that has a position in it."""
    if device.spec.rack is not None and device.spec.position is not None:
        yield RACK.key(device.datacenter, device.spec.rack)


def _model(device: PhysicalResource) -> Iterator[Key[PhysicalModel]]:
    if device.spec.model is not None:
        yield PHYSICAL_MODEL.key(device.spec.model)


def _known(device: PhysicalResource, models: Models) -> tuple[float, bool]:
    """Return height and depth; those of a device without a model are 1 U and full."""
    return next((_size(models[model]) for model in _model(device) if model in models), (1, True))


def _top(device: PhysicalResource, models: Models) -> int:
    """Return the half unit above the device; one of height 0 must be inside its rack too."""
    if device.spec.position is None:
        return 0
    return int(device.spec.position * _HALF) + max(1, int(_known(device, models)[0] * _HALF))


def _slots(device: PhysicalResource, models: Models) -> Iterator[Slot]:
    height, full_depth = _known(device, models)
    for rack in _rack(device):
        first = int((device.spec.position or 0) * _HALF)
        for face in Face if full_depth else (device.spec.face,):
            for half in range(first, first + int(height * _HALF)):
                yield rack, face, half


def _at(slot: Slot) -> str:
    unit = slot[2] / _HALF
    return f"unit {int(unit) if unit == int(unit) else unit} of {slot[0]}"
