"""Push: write clusters and machines to NetBox, under one tag, and change nothing else.

Reads the objects that have the tag and those that have a wanted name, and compares; ``netbox_writer`` executes
the plan. An object that is no longer wanted is kept where its deletion would delete objects without the tag. The only
thing without the tag that is ever written is the status of devices, where the mapping file asks for it
(``device_status``).

A token for some projects only, and an API without clusters, are refused: what they do not show would be treated as
deleted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.client import Client
from controller.errors import Conflict, Forbidden
from inventory_sync import device_status, virtual_machines
from inventory_sync.device_status import DEVICES, DeviceStatusPlan
from inventory_sync.mapping import INSTANCE_LABEL
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.netbox_reader import Item, NetBox
from inventory_sync.virtual_machines import Difference, Name, Wanted

CLUSTERS, MACHINES = "virtualization/clusters", "virtualization/virtual-machines"
INTERFACES, MACS, ADDRESSES = "virtualization/interfaces", "dcim/mac-addresses", "ipam/ip-addresses"
ORDER = (CLUSTERS, MACHINES, INTERFACES, MACS, ADDRESSES)
OWN = {MACS: "mac_address", ADDRESSES: "address"}
"""The field that names an object, where it is not its name."""
_ASKED = 50
"""Values of one filter: an address line has its limits."""


_BESIDE = (
    (CLUSTERS, DEVICES, "cluster_id", "cluster"),
    (MACHINES, "virtualization/virtual-disks", "virtual_machine_id", "virtual_machine"),
    (MACHINES, "ipam/services", "virtual_machine_id", "parent_object_id"),
)
"""What can hang on ours and is never made by a push: on what, list, filter, and the field that says on which."""


@dataclass(frozen=True)
class Push:
    """What a push would do, and the tagged objects that NetBox has."""

    differences: Mapping[str, Difference]
    wanted: Wanted
    found: Mapping[str, Mapping[Name, Item]]
    primaries: tuple[Name, ...]
    """Machines whose primary address is not the one it should be."""
    primary_macs: tuple[Name, ...] = ()
    """Interfaces whose primary MAC address is not the one it should be."""
    standing: DeviceStatusPlan = field(default_factory=DeviceStatusPlan)
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
    """Compare with NetBox; writes nothing."""
    names_asked, tag = rules.push.clusters, rules.push.tag
    chosen = [one for one in client.list("Cluster") if not names_asked or one["name"] in names_asked]
    if missing := set(names_asked) - {one["name"] for one in chosen}:
        raise Conflict(f"mapping.push.clusters: the cluster does not exist: {', '.join(sorted(missing))}")
    _check_token(client)
    wanted = virtual_machines.wanted(chosen, client.list("Compute"))
    found: dict[str, dict[Name, Item]] = {}
    differences: dict[str, Difference] = {}
    blocked: list[Name] = []
    names: dict[str, dict[int, Name]] = {}
    foreign: set[Name] = set()
    tagged = bool(netbox.list("extras/tags", slug=tag))  # a tag it does not know is no filter for NetBox
    for path, part in zip(ORDER, parts(wanted), strict=True):
        items = list(netbox.list(path, tag=tag)) if tagged else []
        items += _read_untagged(netbox, path, part, names)
        ours, others = _split(path, items, names, tag)
        if ours and not chosen:
            raise Conflict(f"the API shows no cluster: all that has the tag {tag} in NetBox would be deleted")
        found[path] = ours
        names[path] = {int(item["id"]): name for name, item in ours.items()}
        foreign |= {name for name, _ in others}
        taken = _addresses_of(others, part) if path == ADDRESSES else (name for name, _ in others)
        differences[path] = virtual_machines.compare(part, ours, taken, blocked)
        blocked += differences[path].clashes
    foreign |= _dependents(netbox, found, differences, tag)
    kept: list[Name] = []
    for path, difference in differences.items():
        held = [name for name in difference.delete if any(other[: len(name)] == name for other in foreign)]
        differences[path] = replace(difference, delete=tuple(name for name in difference.delete if name not in held))
        kept += held
    return Push(
        differences,
        wanted,
        found,
        tuple(_primaries(first_addresses(wanted), MACHINES, ADDRESSES, "primary_ip4", found, differences)),
        tuple(_primaries(first_macs(wanted), INTERFACES, MACS, "primary_mac_address", found, differences)),
        _device_statuses(client, netbox, rules, chosen),
        tuple(kept),
    )


def _check_token(client: Client) -> None:
    """Refuse a token for some projects only: the machines of the others would be treated as deleted.

    Such a token does not read which other projects exist. So a project is asked for that nobody has: a token for all
    projects may ask for any, and every other one is refused.
    """
    try:
        next(client.list("Compute", project=f"none-{secrets.token_hex(16)}", page_size=1), None)
    except Forbidden as error:
        raise Forbidden(
            "a push needs a token for all projects: what this one does not see would be deleted in NetBox"
        ) from error


def _device_statuses(client: Client, netbox: NetBox, rules: Rules, clusters: Sequence[Item]) -> DeviceStatusPlan:
    """The status of devices; nothing is read for it unless the mapping asks for it.

    A resource of a version that did not name the NetBox may be from another one: the next pull names it.
    """
    if rules.push.devices is None:
        return DeviceStatusPlan()
    key, value = rules.mark
    marked = client.list("PhysicalResource", labels=[f"{key}={value}" if value else key])
    ours = [one for one in marked if rules.has_created(one["labels"])]
    pulled = [one for one in ours if one["labels"].get(INSTANCE_LABEL, "") == rules.instance]
    devices = netbox.list(DEVICES, fields=device_status.FIELDS)
    return device_status.compare(client.list("Node"), clusters, pulled, devices, rules)


def parts(wanted: Wanted) -> tuple[Mapping[Name, Mapping[str, Any]], ...]:
    """In the order of ``ORDER``."""
    return wanted.clusters, wanted.machines, wanted.interfaces, wanted.macs, wanted.addresses


def _read_untagged(
    netbox: NetBox, path: str, wanted: Mapping[Name, Any], names: Mapping[str, Mapping[int, Name]]
) -> list[Item]:
    """What may stand in the way without the tag: the wanted names, and all that hangs on what is ours."""
    if path == CLUSTERS:
        return _filtered_list(netbox, path, "name", [name[-1] for name in wanted])
    if path == MACHINES:
        return _filtered_list(netbox, path, "cluster_id", list(names[CLUSTERS]))
    if path == INTERFACES:
        return _filtered_list(netbox, path, "virtual_machine_id", list(names[MACHINES]))
    on_ours = _filtered_list(netbox, path, "vminterface_id", list(names[INTERFACES]))
    if path == MACS:  # two interfaces may have one MAC: only what is on ours can be in the way
        return on_ours
    hosts = dict.fromkeys(
        virtual_machines.host(name[-1]) for name in wanted
    )  # NetBox allows each once, whatever its mask
    return on_ours + _filtered_list(netbox, path, "address", list(hosts))


def _dependents(
    netbox: NetBox, found: Mapping[str, Mapping[Name, Item]], differences: Mapping[str, Difference], tag: str
) -> set[Name]:
    """What somebody else has hung on clusters and machines that would go: NetBox deletes or empties it along."""
    hanging: set[Name] = set()
    for path, below, asked, holder in _BESIDE:
        going = {int(found[path][name]["id"]): name for name in differences[path].delete}
        for item in _filtered_list(netbox, below, asked, list(going)):
            parent = item[holder] if isinstance(item[holder], int) else item[holder]["id"]
            if not any(one["slug"] == tag for one in item["tags"]):
                hanging.add((*going[int(parent)], str(item["name"])))
    return hanging


def _filtered_list(netbox: NetBox, path: str, field: str, values: Sequence[Any]) -> list[Item]:
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
    own = str(item[OWN.get(path, "name")])
    return (*names[above].get(int(parent), ("", str(parent))), virtual_machines.mac(own) if path == MACS else own)


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
    """An address is taken whatever it is on and whatever its mask, but by none in a VRF: ours are in no VRF."""
    hosts = {virtual_machines.host(name[-1]) for name, item in others if item.get("vrf") is None}
    return (name for name in wanted if virtual_machines.host(name[-1]) in hosts)


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


def first_addresses(wanted: Wanted) -> dict[Name, Name]:
    """By machine, the address that is to be its primary one."""
    return {name[:2]: name for name in reversed(wanted.addresses) if name[2] == "eth0"}


def first_macs(wanted: Wanted) -> dict[Name, Name]:
    """By interface, its MAC address."""
    return {name[:3]: name for name in wanted.macs}
