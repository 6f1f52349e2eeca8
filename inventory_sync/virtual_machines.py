"""The objects that NetBox should have: clusters, virtual machines, interfaces, MAC addresses, addresses.

Pure: computes the wanted objects from documents, and their differences to NetBox. An object belongs to the sync when
it has the tag. One of the same name without the tag is a conflict: neither it nor anything that would depend on it is
changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory_sync.netbox_reader import Item

STATUSES = {"Running": "active", "Stopped": "offline", "Paused": "paused"}
Name = tuple[str, ...]
"""``(cluster,)``, ``(cluster, machine)``, ``(cluster, machine, interface)``, and the same with a MAC or an address."""


@dataclass(frozen=True)
class Wanted:
    """Objects by name, with the fields that are compared and written; parents by their name."""

    clusters: dict[Name, dict[str, Any]] = field(default_factory=dict)
    machines: dict[Name, dict[str, Any]] = field(default_factory=dict)
    interfaces: dict[Name, dict[str, Any]] = field(default_factory=dict)
    macs: dict[Name, dict[str, Any]] = field(default_factory=dict)
    addresses: dict[Name, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The changes of one list of NetBox."""

    create: tuple[Name, ...] = ()
    update: Mapping[Name, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    """Fields that differ: before and after."""
    delete: tuple[Name, ...] = ()
    clashes: tuple[Name, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete)


def wanted(clusters: Iterable[Item], computes: Iterable[Item]) -> Wanted:
    """Return the objects that NetBox should have under the tag."""
    made = Wanted()
    for cluster in clusters:
        made.clusters[(cluster["name"],)] = {"status": "offline" if cluster["state"] == "Down" else "active"}
    for compute in computes:
        spec = compute["spec"]
        if (spec["cluster"],) not in made.clusters:
            continue
        machine = (spec["cluster"], spec["host_name"])
        sizes = spec["sizes"]
        made.machines[machine] = {
            "status": _status(compute),
            "vcpus": float(sizes["vcpus"]) or None,
            "memory": sizes["memory_mib"],
            "disk": sizes["disk_gib"] * 1024,
        }
        for index, interface in enumerate(spec["interfaces"]):
            port = (*machine, f"eth{index}")
            made.interfaces[port] = {"enabled": True}
            made.macs[*port, mac(interface["mac"])] = {}
            address = f"{interface['address']}/{interface['prefix_length']}"
            made.addresses[*port, address] = {"status": "active", "dns_name": spec["host_name"]}
    return made


def compare(
    wanted: Mapping[Name, Mapping[str, Any]],
    found: Mapping[Name, Item],
    taken: Iterable[Name],
    blocked: Sequence[Name] = (),
) -> Difference:
    """What makes ``found`` (ours) into ``wanted``; ``taken`` are names that others have.

    What hangs on something ``blocked`` is neither made nor changed; what of ours is wanted no
    longer goes whatever it hangs on.
    """
    others = set(taken)
    clashes = [name for name in wanted if name in others and name not in found]
    stopped = {*blocked, *clashes}
    open_ = {name: fields for name, fields in wanted.items() if not _depends_on(name, stopped)}
    update: dict[Name, dict[str, tuple[Any, Any]]] = {}
    for name, fields in open_.items():
        if name in found:
            now = {key: _value(found[name].get(key)) for key in fields}
            if found[name].get("virtual_disk_count"):  # NetBox sums the disks up then, and takes no other size
                now.pop("disk", None)
            changed = {key: (now[key], fields[key]) for key in now if now[key] != fields[key]}
            if changed:
                update[name] = changed
    return Difference(
        tuple(sorted(name for name in open_ if name not in found)),
        update,
        tuple(sorted(name for name in found if name not in wanted)),
        tuple(sorted(clashes)),
    )


def mac(value: str) -> str:
    """Return a MAC address as NetBox writes it."""
    return value.upper()


def host(address: str) -> str:
    """Return an address without its mask."""
    return address.partition("/")[0]


def _status(compute: Item) -> str:
    if compute["status"] == "Error":
        return "failed"
    if compute["status"].startswith("Deleting"):
        return "decommissioning"
    return STATUSES.get(compute["state"], "staged" if compute["status"].startswith("Creating") else "active")


def _depends_on(name: Name, stopped: set[Name]) -> bool:
    return any(name[:length] in stopped for length in range(1, len(name) + 1))


def _value(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) else value
