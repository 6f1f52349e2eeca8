"""Push: tell NetBox of our clusters and machines, under one tag and touching nothing else.

Reads what has the tag and what has a name that is wanted, compares, and writes in bulk: clusters,
machines, interfaces, MAC addresses, addresses, then which of them are primary; what goes, goes the
other way round. The one thing without the tag that may be written is the status of devices, where
the mapping file asks for it (``standing``). Each request to NetBox is a transaction of its own: a
push that is broken off is finished by the next. A second push writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.client import Client
from controller.errors import Conflict
from inventory_sync import standing, virtual
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.progress import Tell
from inventory_sync.reading import Item, NetBox
from inventory_sync.standing import DEVICES, Standing
from inventory_sync.virtual import Difference, Name, Wanted

CLUSTERS, MACHINES = "virtualization/clusters", "virtualization/virtual-machines"
INTERFACES, MACS, ADDRESSES = "virtualization/interfaces", "dcim/mac-addresses", "ipam/ip-addresses"
ORDER = (CLUSTERS, MACHINES, INTERFACES, MACS, ADDRESSES)
STEPS = 2 * len(ORDER) + 3
"""How often ``write`` tells how far it is."""
_OWN = {MACS: "mac_address", ADDRESSES: "address"}
"""The field that names an object, where it is not its name."""
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
    primary_macs: tuple[Name, ...] = ()
    """Interfaces whose primary MAC address is not the one it should be."""
    standing: Standing = field(default_factory=Standing)
    """The status of devices, where it is asked for."""
    kept: tuple[Name, ...] = ()
    """Of ours and wanted no longer, but something of somebody else's hangs on it."""

    @property
    def differs(self) -> bool:
        return self.tagged_differ or bool(self.standing.difference)

    @property
    def tagged_differ(self) -> bool:
        """Whether anything of what has our tag is to be written."""
        return any(self.differences.values()) or bool(self.primaries or self.primary_macs)


def plan(client: Client, netbox: NetBox, rules: Rules) -> Push:
    """Compare with what NetBox has; writes nothing."""
    names_asked, tag = rules.push.clusters, rules.push.tag
    chosen = [one for one in client.list("Cluster") if not names_asked or one["name"] in names_asked]
    if missing := set(names_asked) - {one["name"] for one in chosen}:
        raise Conflict(f"mapping.push.clusters: there is no cluster {', '.join(sorted(missing))}")
    wanted = virtual.wanted(chosen, client.list("Compute"))
    found: dict[str, dict[Name, Item]] = {}
    differences: dict[str, Difference] = {}
    blocked: list[Name] = []
    names: dict[str, dict[int, Name]] = {}
    foreign: set[Name] = set()
    tagged = bool(netbox.list("extras/tags", slug=tag))  # a tag it does not know is no filter for NetBox
    for path, part in zip(ORDER, _parts(wanted), strict=True):
        items = list(netbox.list(path, tag=tag)) if tagged else []
        items += _beside(netbox, path, part, names)
        ours, others = _split(path, items, names, tag)
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
    return Push(
        differences,
        wanted,
        found,
        tuple(_primaries(_first_addresses(wanted), MACHINES, ADDRESSES, "primary_ip4", found, differences)),
        tuple(_primaries(_first_macs(wanted), INTERFACES, MACS, "primary_mac_address", found, differences)),
        _standing(client, netbox, rules, chosen),
        tuple(kept),
    )


def write(netbox: NetBox, rules: Rules, push: Push, tell: Tell) -> None:
    """Carry the plan out."""
    if push.tagged_differ:
        _write_tagged(netbox, rules, push, tell)
    ids = {name: int(item["id"]) for name, item in push.standing.found.items()}
    changed = [
        {"id": ids[name], "status": fields["status"][1]} for name, fields in push.standing.difference.update.items()
    ]
    _bulk(netbox, DEVICES, "update", changed)
    tell("devices' status", len(changed))


def _write_tagged(netbox: NetBox, rules: Rules, push: Push, tell: Tell) -> None:
    tag = _ensure(netbox, "extras/tags", rules.push.tag, name=rules.push.tag)
    kind = _ensure(netbox, "virtualization/cluster-types", rules.push.cluster_type, name=rules.push.cluster_type)
    ids = {path: {name: int(item["id"]) for name, item in push.found[path].items()} for path in ORDER}
    for path in reversed(ORDER):
        gone = [{"id": ids[path][name]} for name in push.differences[path].delete]
        _bulk(netbox, path, "delete", gone)
        tell(f"{path} deleted", len(gone))
    for path, part in zip(ORDER, _parts(push.wanted), strict=True):
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
    macs = _first_macs(push.wanted)
    primaries = [
        {"id": ids[INTERFACES][name], "primary_mac_address": ids[MACS][macs[name]]} for name in push.primary_macs
    ]
    _bulk(netbox, INTERFACES, "update", primaries)
    tell("primary MAC addresses", len(primaries))


def _standing(client: Client, netbox: NetBox, rules: Rules, clusters: Sequence[Item]) -> Standing:
    """The status of devices; nothing is read for it unless the mapping asks for it."""
    if rules.push.devices is None:
        return Standing()
    key, value = rules.mark
    pulled = client.list("PhysicalResource", labels=[f"{key}={value}" if value else key])
    devices = netbox.list(DEVICES, fields=standing.FIELDS)
    return standing.compare(client.list("Node"), clusters, pulled, devices, rules)


def _parts(wanted: Wanted) -> tuple[Mapping[Name, Mapping[str, Any]], ...]:
    """In the order of ``ORDER``."""
    return wanted.clusters, wanted.machines, wanted.interfaces, wanted.macs, wanted.addresses


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
    if path == MACS:  # two interfaces may have one MAC: only what is on ours can be in the way
        return on_ours
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
    own = str(item[_OWN.get(path, "name")])
    return (*names[above].get(int(parent), ("", str(parent))), virtual.mac(own) if path == MACS else own)


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
    firsts: Mapping[Name, Name],
    holders: str,
    path: str,
    field: str,
    found: Mapping[str, Mapping[Name, Item]],
    differences: Mapping[str, Difference],
) -> Iterator[Name]:
    """Holders whose ``field`` is to name another object of ``path`` than it does."""
    made = set(differences[path].create)
    for holder, first in firsts.items():
        if first in made:
            if holder in found[holders] or holder in differences[holders].create:
                yield holder
        elif first in found[path] and holder in found[holders]:
            now = found[holders][holder].get(field)
            if now is None or int(now["id"]) != int(found[path][first]["id"]):
                yield holder


def _first_addresses(wanted: Wanted) -> dict[Name, Name]:
    return {name[:2]: name for name in reversed(wanted.addresses) if name[2] == "eth0"}


def _first_macs(wanted: Wanted) -> dict[Name, Name]:
    return {name[:3]: name for name in wanted.macs}


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
            return {_OWN[path]: name[3], "assigned_object_type": kind_of_holder, "assigned_object_id": holder}


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
