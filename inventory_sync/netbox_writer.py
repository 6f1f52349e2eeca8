"""The execution of a push: bulk requests, parents before children.

Deletions come first, children before parents. Then clusters, machines, interfaces, MAC addresses and addresses are
created and changed, then the primary addresses, and last the status of devices. Each request to NetBox is a
transaction of its own: an error reports how much was written, and the next push writes the rest. A push without
differences sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inventory_sync import partial_failure
from inventory_sync.device_status import DEVICES
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.netbox_reader import NetBox
from inventory_sync.progress import Tell
from inventory_sync.push import (
    ADDRESSES,
    CLUSTERS,
    INTERFACES,
    MACHINES,
    MACS,
    ORDER,
    OWN,
    Push,
    first_addresses,
    first_macs,
    parts,
)
from inventory_sync.virtual_machines import Name

LIMIT = 200
"""Objects of one bulk request: NetBox writes a change record for each, within one request's time."""
STEPS = 3 * len(ORDER) + 3
"""The number of steps that ``write`` reports."""
Ids = Mapping[str, Mapping[Name, int]]


class Writer:
    """Bulk requests to one NetBox, and how many objects they have written."""

    def __init__(self, netbox: NetBox, tell: Tell) -> None:
        self._netbox, self._tell = netbox, tell
        self.written = 0

    def bulk(self, path: str, verb: str, items: Sequence[Mapping[str, Any]], what: str) -> list[int]:
        """Create, update or delete in requests of ``LIMIT``; ids of what was written, in the given order."""
        done: list[int] = []
        for start in range(0, len(items), LIMIT):
            part = [dict(item) for item in items[start : start + LIMIT]]
            with self._netbox.errors(path):
                if verb == "delete":
                    self._netbox.endpoint(path).delete([item["id"] for item in part])
                else:
                    done += [int(record.id) for record in getattr(self._netbox.endpoint(path), verb)(part)]
            self.written += len(part)
        self._tell(what, len(items))
        return done

    def ensure(self, path: str, slug: str) -> int:
        """Return the id of the tag or type of this name, which is created where it is missing."""
        found = self._netbox.list(path, slug=slug)
        if found:
            return int(found[0]["id"])
        with self._netbox.errors(path):
            return int(self._netbox.endpoint(path).create(slug=slug, name=slug).id)


def write(netbox: NetBox, rules: Rules, push: Push, tell: Tell) -> None:
    """Execute the plan."""
    writer, wanted = Writer(netbox, tell), _count(push)
    with partial_failure.with_progress(lambda: partial_failure.progress(writer.written, wanted, "objects")):
        if push.tagged_differ:
            _write_tagged(writer, rules, push)
        ids = {name: int(item["id"]) for name, item in push.standing.found.items()}
        changed = push.standing.difference.update
        items = [{"id": ids[name], "status": fields["status"][1]} for name, fields in changed.items()]
        writer.bulk(DEVICES, "update", items, "devices")


def _count(push: Push) -> int:
    differences = [*push.differences.values(), push.standing.difference]
    objects = sum(len(one.create) + len(one.update) + len(one.delete) for one in differences)
    return objects + len(push.primaries) + len(push.primary_macs)


def _write_tagged(writer: Writer, rules: Rules, push: Push) -> None:
    tag = writer.ensure("extras/tags", rules.push.tag)
    kind = writer.ensure("virtualization/cluster-types", rules.push.cluster_type)
    ids = {path: {name: int(item["id"]) for name, item in push.found[path].items()} for path in ORDER}
    for path in reversed(ORDER):
        gone = [{"id": ids[path][name]} for name in push.differences[path].delete]
        writer.bulk(path, "delete", gone, f"{path} deleted")
    for path, part in zip(ORDER, parts(push.wanted), strict=True):
        difference = push.differences[path]
        new = [{**part[name], **_place(path, name, ids, kind), "tags": [tag]} for name in difference.create]
        made = writer.bulk(path, "create", new, f"{path} made")
        ids[path].update(zip(difference.create, made, strict=True))
        changed = [
            {"id": ids[path][name], **{key: after for key, (_, after) in fields.items()}}
            for name, fields in difference.update.items()
        ]
        writer.bulk(path, "update", changed, f"{path} changed")
    for path, field, holders, below, firsts in (
        (MACHINES, "primary_ip4", push.primaries, ADDRESSES, first_addresses(push.wanted)),
        (INTERFACES, "primary_mac_address", push.primary_macs, MACS, first_macs(push.wanted)),
    ):
        primaries = [{"id": ids[path][name], field: ids[below][firsts[name]]} for name in holders]
        writer.bulk(path, "update", primaries, "primary addresses")


def _place(path: str, name: Name, ids: Ids, kind: int) -> dict[str, Any]:
    """Return the fields of a new object that name its parent."""
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
            return {OWN[path]: name[3], "assigned_object_type": kind_of_holder, "assigned_object_id": holder}
