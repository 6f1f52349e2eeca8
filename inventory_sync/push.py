"""Push: tell NetBox of our clusters and machines, under one tag and touching nothing else.

Reads what has the tag and what has a name that is wanted, compares, and writes in bulk: clusters,
machines, interfaces, addresses, then the machines' primary addresses; what goes, goes the other
way round. Each request to NetBox is a transaction of its own: a push that is broken off is
finished by the next. A second push writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from controller.client import Client
from controller.errors import Conflict
from inventory_sync import virtual
from inventory_sync.mapping import Push as Rules
from inventory_sync.progress import Tell
from inventory_sync.reading import Item, NetBox
from inventory_sync.virtual import Difference, Name, Wanted

CLUSTERS, MACHINES = "virtualization/clusters", "virtualization/virtual-machines"
INTERFACES, ADDRESSES = "virtualization/interfaces", "ipam/ip-addresses"
ORDER = (CLUSTERS, MACHINES, INTERFACES, ADDRESSES)
LIMIT = 200
"""Objects of one bulk request: NetBox writes a change record for each, within one request's time."""
_ASKED = 50
"""Values of one filter: an address line has its limits."""


@dataclass(frozen=True)
class Push:
    """What a push would do, and the objects of ours that NetBox has."""

    differences: Mapping[str, Difference]
    wanted: Wanted
    found: Mapping[str, Mapping[Name, Item]]
    primaries: tuple[Name, ...]
    """Machines whose primary address is not the one it should be."""
    kept: tuple[Name, ...] = ()
    """Of ours and wanted no longer, but something of somebody else's hangs on it."""

    @property
    def differs(self) -> bool:
        return any(self.differences.values()) or bool(self.primaries)


def plan(client: Client, netbox: NetBox, rules: Rules) -> Push:
    """Compare with what NetBox has; writes nothing."""
    chosen = [one for one in client.list("Cluster") if not rules.clusters or one["name"] in rules.clusters]
    if missing := set(rules.clusters) - {one["name"] for one in chosen}:
        raise Conflict(f"mapping.push.clusters: there is no cluster {', '.join(sorted(missing))}")
    wanted = virtual.wanted(chosen, client.list("Compute"))
    found: dict[str, dict[Name, Item]] = {}
    differences: dict[str, Difference] = {}
    blocked: list[Name] = []
    parts = (wanted.clusters, wanted.machines, wanted.interfaces, wanted.addresses)
    names: dict[str, dict[int, Name]] = {}
    foreign: set[Name] = set()
    tagged = bool(netbox.list("extras/tags", slug=rules.tag))  # a tag it does not know is no filter for NetBox
    for path, part in zip(ORDER, parts, strict=True):
        items = list(netbox.list(path, tag=rules.tag)) if tagged else []
        items += _beside(netbox, path, part, names)
        ours, others = _split(path, items, names, rules.tag)
        found[path] = ours
        names[path] = {int(item["id"]): name for name, item in ours.items()}
        foreign |= {name for name, _ in others}
        taken = _addresses_of(others, part) if path == ADDRESSES else (name for name, _ in others)
        differences[path] = virtual.compare(part, ours, taken, blocked)
        blocked += differences[path].clashes
    kept: list[Name] = []
    for path, difference in differences.items():
        held = [name for name in difference.delete if any(other[: len(name)] == name for other in foreign)]
        differences[path] = replace(difference, delete=tuple(name for name in difference.delete if name not in held))
        kept += held
    return Push(differences, wanted, found, tuple(_primaries(wanted, found, differences)), tuple(kept))


def write(netbox: NetBox, rules: Rules, push: Push, tell: Tell) -> None:
    """Carry the plan out."""
    if not push.differs:
        return
    tag = _ensure(netbox, "extras/tags", rules.tag, name=rules.tag)
    kind = _ensure(netbox, "virtualization/cluster-types", rules.cluster_type, name=rules.cluster_type)
    ids = {path: {name: int(item["id"]) for name, item in push.found[path].items()} for path in ORDER}
    for path in reversed(ORDER):
        gone = [{"id": ids[path][name]} for name in push.differences[path].delete]
        _bulk(netbox, path, "delete", gone)
        tell(f"{path} deleted", len(gone))
    parts = (push.wanted.clusters, push.wanted.machines, push.wanted.interfaces, push.wanted.addresses)
    for path, part in zip(ORDER, parts, strict=True):
        difference = push.differences[path]
        new = [{**part[name], **_place(path, name, ids, kind), "tags": [tag]} for name in difference.create]
        ids[path].update(zip(difference.create, _bulk(netbox, path, "create", new), strict=True))
        changed = [
            {"id": ids[path][name], **{key: after for key, (_, after) in fields.items()}}
            for name, fields in difference.update.items()
        ]
        _bulk(netbox, path, "update", changed)
        tell(f"{path} written", len(new) + len(changed))
    first = _first_addresses(push.wanted)
    primaries = [{"id": ids[MACHINES][name], "primary_ip4": ids[ADDRESSES][first[name]]} for name in push.primaries]
    _bulk(netbox, MACHINES, "update", primaries)
    tell("primary addresses", len(primaries))


def _beside(
    netbox: NetBox, path: str, wanted: Mapping[Name, Any], names: Mapping[str, Mapping[int, Name]]
) -> list[Item]:
    """What may stand in the way without the tag: the wanted names, and all that hangs on what is ours."""
    if path == CLUSTERS:
        return _asked(netbox, path, "name", [name[-1] for name in wanted])
    if path == MACHINES:
        return _asked(netbox, path, "cluster_id", list(names[CLUSTERS]))
    if path == INTERFACES:
        return _asked(netbox, path, "virtual_machine_id", list(names[MACHINES]))
    on_ours = _asked(netbox, path, "vminterface_id", list(names[INTERFACES]))
    return on_ours + _asked(netbox, path, "address", [name[-1] for name in wanted])


def _asked(netbox: NetBox, path: str, field: str, values: Sequence[Any]) -> list[Item]:
    found: list[Item] = []
    for start in range(0, len(values), _ASKED):
        found += netbox.list(path, **{field: list(values[start : start + _ASKED])})
    return found


def _name(path: str, item: Item, names: Mapping[str, Mapping[int, Name]]) -> Name:
    """The name of an object below those of ours that it hangs on; below its parent's id if that is not ours."""
    if path == CLUSTERS:
        return (str(item["name"]),)
    if path == MACHINES:
        above, parent = CLUSTERS, (item.get("cluster") or {}).get("id", 0)
    elif path == INTERFACES:
        above, parent = MACHINES, item["virtual_machine"]["id"]
    else:
        on_machine = item.get("assigned_object_type") == "virtualization.vminterface"
        above, parent = INTERFACES, item["assigned_object_id"] if on_machine else 0
    own = str(item["address" if path == ADDRESSES else "name"])
    return (*names[above].get(int(parent), ("", str(parent))), own)


def _split(
    path: str, items: Iterable[Item], names: Mapping[str, Mapping[int, Name]], tag: str
) -> tuple[dict[Name, Item], list[tuple[Name, Item]]]:
    ours: dict[Name, Item] = {}
    others: list[tuple[Name, Item]] = []
    for item in {int(item["id"]): item for item in items}.values():
        name = _name(path, item, names)
        if any(one["slug"] == tag for one in item["tags"]):
            ours[name] = item
        else:
            others.append((name, item))
    return ours, others


def _addresses_of(others: Iterable[tuple[Name, Item]], wanted: Iterable[Name]) -> Iterator[Name]:
    """An address is taken whatever it is assigned to."""
    addresses = {name[-1] for name, _ in others}
    return (name for name in wanted if name[-1] in addresses)


def _primaries(
    wanted: Wanted, found: Mapping[str, Mapping[Name, Item]], differences: Mapping[str, Difference]
) -> Iterator[Name]:
    made = set(differences[ADDRESSES].create)
    for machine, address in _first_addresses(wanted).items():
        if address in made:
            if machine in found[MACHINES] or machine in differences[MACHINES].create:
                yield machine
        elif address in found[ADDRESSES] and machine in found[MACHINES]:
            now = found[MACHINES][machine].get("primary_ip4")
            if now is None or int(now["id"]) != int(found[ADDRESSES][address]["id"]):
                yield machine


def _first_addresses(wanted: Wanted) -> dict[Name, Name]:
    return {name[:2]: name for name in reversed(wanted.addresses) if name[2] == "eth0"}


def _place(path: str, name: Name, ids: Mapping[str, Mapping[Name, int]], kind: int) -> dict[str, Any]:
    """The fields of a new object that say where it belongs."""
    match path:
        case _ if path == CLUSTERS:
            return {"name": name[0], "type": kind}
        case _ if path == MACHINES:
            return {"name": name[1], "cluster": ids[CLUSTERS][name[:1]]}
        case _ if path == INTERFACES:
            return {"name": name[2], "virtual_machine": ids[MACHINES][name[:2]]}
        case _:
            holder = ids[INTERFACES][name[:3]]
            kind_of_holder = "virtualization.vminterface"
            return {"address": name[3], "assigned_object_type": kind_of_holder, "assigned_object_id": holder}


def _ensure(netbox: NetBox, path: str, slug: str, **fields: str) -> int:
    found = netbox.list(path, slug=slug)
    if found:
        return int(found[0]["id"])
    with netbox.errors(path):
        return int(netbox.endpoint(path).create(slug=slug, **fields).id)


def _bulk(netbox: NetBox, path: str, verb: str, items: Sequence[Mapping[str, Any]]) -> list[int]:
    """Create, update or delete in requests of ``LIMIT``; ids of what was written, in the given order."""
    done: list[int] = []
    for start in range(0, len(items), LIMIT):
        part = [dict(item) for item in items[start : start + LIMIT]]
        with netbox.errors(path):
            if verb == "delete":
                netbox.endpoint(path).delete([item["id"] for item in part])
            else:
                done += [int(record.id) for record in getattr(netbox.endpoint(path), verb)(part)]
    return done
