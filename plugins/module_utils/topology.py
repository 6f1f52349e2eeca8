# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and groups from the lines of a topology, in plain JSON types. Pure: no network, no files, no Ansible.

Places and zones come before what is in them (the API promises it), so one pass is enough. A host is added to its
deepest groups only. The result for one site is the same in every run, in the same order.

In names of groups, every character except letters, digits and ``_`` becomes ``_``. A clash of two names never ends the
reading: hosts of one name are left out, a group of two sources is left out and its members move to its parent, and a
warning names both sources and the option that helps.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.resource.infra.plugins.module_utils import host_address, host_names, topology_variables
from ansible_collections.resource.infra.plugins.module_utils.topology_variables import Variables

FORMAT = 1
"""The format of the API's answer that this module reads."""
KINDS = {"nodes": "Node", "computes": "Compute", "physical_resources": "PhysicalResource"}
"""The kinds that can be hosts, by the value of the option."""
PLACES = (
    "Region",
    "RegionAvailabilityZone",
    "Datacenter",
    "Floor",
    "Rack",
    "Cluster",
    "NetworkAvailabilityZone",
    "NodeAvailabilityZone",
)
Groups = t.Dict[str, t.Dict[str, t.List[str]]]

_NOT_IN_GROUPS = re.compile(r"[^A-Za-z0-9_]")


class TopologyError(Exception):
    """Raised for an answer that cannot be read."""


class Inventory:
    """``hosts`` by name with their variables; ``groups`` by name with ``children`` and ``hosts``.

    ``tag`` is of the answer that it was made of. ``variables`` names those that are set; None: all. ``warnings`` says
    what was left out, and why.
    """

    def __init__(
        self,
        short_node_names: bool = False,
        variables: t.Optional[t.Container[str]] = None,
        group_prefix: str = "",
        group_separator: str = "_",
        addresses: t.Sequence[str] = host_address.DEFAULT,
    ) -> None:
        self.tag = ""
        self._addresses = addresses
        self.warnings: t.List[str] = []
        self.hosts: t.Dict[str, Variables] = {}
        self.groups: Groups = {}
        self._short = short_node_names
        self._variables = variables
        self._prefix = group_prefix
        self._separator = group_separator
        self._names: t.Dict[t.Tuple[str, ...], str] = {}
        self._group_sources: t.Dict[str, t.List[t.Tuple[str, ...]]] = {}
        self._parents: t.Dict[str, t.Optional[str]] = {}
        self._host_sources: t.Dict[str, str] = {}
        self._host_clashes: t.Dict[str, t.List[str]] = {}
        self._clusters: t.Dict[str, t.Tuple[str, str]] = {}
        self._racks: t.Dict[t.Tuple[str, str], str] = {}
        self._node_hosts: t.Dict[t.Tuple[str, str], str] = {}
        self._machines: t.Set[t.Tuple[str, str]] = set()

    def add(self, line: t.Mapping[str, t.Any]) -> None:
        """Add one resource; an unknown kind is ignored."""
        handler = _HANDLERS.get(line["kind"])
        if handler is not None:
            handler(self, line)

    def resolve_clashes(self) -> None:
        """Leave out what has the name of something else, and add a warning for each such name."""
        self._resolve_groups()
        reserved = [name for name in self.hosts if name in self.groups or name in host_names.RESERVED]
        for name in reserved:
            if name not in self._host_clashes:
                self.warnings.append(
                    f"{self._host_sources[name]} would be host {name!r}, which is also the name of a group: it is not "
                    "in the inventory; set node_names=qualified, host_name or group_prefix"
                )
        for name, sources in self._host_clashes.items():
            self.warnings.append(
                f"{host_names.shortened(sources)} are all host {name!r}: none of them is in the inventory; "
                "set node_names=qualified, or rename all but one of them"
            )
        lost = {*reserved, *self._host_clashes}
        if lost:
            self.hosts = {name: variables for name, variables in self.hosts.items() if name not in lost}
            for group in self.groups.values():
                group["hosts"] = [name for name in group["hosts"] if name not in lost]

    def _resolve_groups(self) -> None:
        """Leave out groups of several sources; what is in them moves up, deepest first."""
        clashes = {name: sources for name, sources in self._group_sources.items() if len(sources) > 1}
        if not clashes:
            return
        for name, sources in clashes.items():
            self.warnings.append(
                f"{host_names.shortened([_source_text(one) for one in sources])} are all group {name!r}: the group is "
                "left out, and its hosts are in the group above it; set group_separator, or rename all but one of them"
            )
        lost = [key for source, key in self._names.items() if len(self._group_sources[self._name_of(source)]) > 1]
        for key in reversed(lost):
            group, parent = self.groups.pop(key), self._parents[key]
            if parent is not None:
                above = self.groups[parent]
                above["children"] = [one for one in above["children"] if one != key] + group["children"]
                above["hosts"] = list(dict.fromkeys([*above["hosts"], *group["hosts"]]))

    def _name_of(self, source: t.Tuple[str, ...]) -> str:
        return self._prefix + _NOT_IN_GROUPS.sub("_", self._separator.join(source))

    def _group(self, *source: str, parent: t.Optional[str] = None) -> str:
        """Return the key of the group of that source (``rack``, ``tokyo``, ``rack-1``), created when it is new.

        The key is the group's name. A later source of the same name has a key that is no name, until clashes are
        resolved.
        """
        name = self._names.get(source)
        if name is None:
            name = self._name_of(source)
            sources = self._group_sources.setdefault(name, [])
            sources.append(source)
            if len(sources) > 1:
                name = f"{name} {len(sources)}"
            self._names[source] = name
            self._parents[name] = parent
            self.groups[name] = {"children": [], "hosts": []}
            if parent is not None:
                self.groups[parent]["children"].append(name)
        return name

    def _host(self, name: str, source: str, groups: t.Iterable[str], variables: Variables) -> None:
        other = self._host_sources.setdefault(name, source)
        if other != source:
            self._host_clashes.setdefault(name, [other]).append(source)
            return
        wanted = self._variables
        self.hosts[name] = {
            key: value
            for key, value in variables.items()
            if not topology_variables.is_nothing(value) and (wanted is None or key in wanted)
        }
        for group in dict.fromkeys(groups):
            self.groups[group]["hosts"].append(name)

    def _region(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("region", line["name"])

    def _availability_zone(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("availability_zone", line["region"], line["name"], parent=self._group("region", line["region"]))

    def _datacenter(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("datacenter", line["name"])

    def _floor(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("floor", line["datacenter"], line["name"], parent=self._group("datacenter", line["datacenter"]))

    def _rack(self, line: t.Mapping[str, t.Any]) -> None:
        datacenter, floor = line["datacenter"], line["spec"]["floor"]
        self._racks[datacenter, line["name"]] = floor
        self._rack_group(datacenter, line["name"])

    def _cluster(self, line: t.Mapping[str, t.Any]) -> None:
        spec = line["spec"]
        self._clusters[line["name"]] = spec["region"], spec["datacenter"]
        self._group("cluster", line["name"], parent=self._group("region", spec["region"]))

    def _network_zone(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("network_zone", line["cluster"], line["name"], parent=self._group("cluster", line["cluster"]))

    def _node_zone(self, line: t.Mapping[str, t.Any]) -> None:
        self._group("node_zone", line["cluster"], line["name"], parent=self._group("cluster", line["cluster"]))

    def _rack_group(self, datacenter: str, rack: str) -> str:
        floor = self._racks.get((datacenter, rack), "")
        above = self._group("datacenter", datacenter)
        if floor:
            above = self._group("floor", datacenter, floor, parent=above)
        return self._group("rack", datacenter, rack, parent=above)

    def _place(self, datacenter: str, floor: str, rack: str) -> str:
        """Return the deepest group of a place."""
        if rack:
            return self._rack_group(datacenter, rack)
        above = self._group("datacenter", datacenter)
        return self._group("floor", datacenter, floor, parent=above) if floor else above

    def _domains(self, datacenter: str, zones: t.Mapping[str, t.Any]) -> t.Iterator[str]:
        for axis in ("power", "network"):
            if zones.get(axis):
                yield self._group(axis, datacenter, zones[axis], parent=self._group("datacenter", datacenter))

    def _node(self, line: t.Mapping[str, t.Any]) -> None:
        spec, observed, machine = line["spec"], line["observed"], line.get("physical") or {}
        cluster, name = line["cluster"], line["name"]
        region, datacenter = self._clusters.get(cluster, ("", ""))
        zones = observed.get("zones") or {}
        rack = machine.get("rack") or zones.get("rack") or ""
        floor = self._racks.get((datacenter, rack), "") or machine.get("floor") or ""
        if spec.get("physical_resource"):
            self._machines.add((datacenter, spec["physical_resource"]))
        above = self._group("cluster", cluster, parent=self._group("region", region) if region else None)
        groups = [self._group("nodes"), *_words(self, line)]
        if datacenter:
            groups += [self._place(datacenter, floor, rack), *self._domains(datacenter, zones)]
        if not (spec.get("network_availability_zone") or spec.get("node_availability_zone")):
            groups.append(above)
        for word, key in (("network_zone", "network_availability_zone"), ("node_zone", "node_availability_zone")):
            if spec.get(key):
                groups.append(self._group(word, cluster, spec[key], parent=above))
        if spec.get("region_availability_zone") and region:
            zone = spec["region_availability_zone"]
            groups.append(self._group("availability_zone", region, zone, parent=self._group("region", region)))
        groups += [self._group("provider", provider) for provider in spec.get("providers") or ()]
        if machine:
            groups.append(self._group("role", machine["role"]))
        if not spec.get("schedulable", True):
            groups.append(self._group("cordoned"))
        variables = {
            **topology_variables.common(line),
            "resource_cluster": cluster,
            **topology_variables.placed(datacenter, floor, rack, machine),
            "resource_machine_labels": line.get("physical_labels"),
            "resource_power_domain": zones.get("power"),
            "resource_network_domain": zones.get("network"),
            "resource_network_zone": spec.get("network_availability_zone"),
            "resource_node_zone": spec.get("node_availability_zone"),
            "resource_availability_zone": spec.get("region_availability_zone"),
            "resource_providers": spec.get("providers"),
            "resource_cordoned": not spec.get("schedulable", True),
            "resource_draining": spec.get("drain"),
            **topology_variables.amounts("resource_capacity_", observed.get("capacity")),
            **topology_variables.amounts("resource_free_", observed.get("free"), of=observed.get("capacity")),
        }
        host = name if self._short else f"{name}.{cluster}"
        variables["ansible_host"] = host_address.chosen(self._addresses, host, machine.get("ports") or ())
        self._node_hosts[cluster, name] = host
        self._host(host, f"Node {cluster}/{name}", groups, variables)

    def _compute(self, line: t.Mapping[str, t.Any]) -> None:
        spec, observed = line["spec"], line["observed"]
        cluster, region = spec["cluster"], line["region"]
        datacenter = observed.get("datacenter") or self._clusters.get(cluster, ("", ""))[1]
        rack = observed.get("rack") or ""
        floor = self._racks.get((datacenter, rack), "")
        above = self._group("cluster", cluster, parent=self._group("region", region))
        groups = [self._group("computes"), above, *_words(self, line), self._group("provider", spec["provider"])]
        if datacenter:
            groups += [self._place(datacenter, floor, rack), *self._domains(datacenter, observed)]
        project = self._group("project", line["project"])
        groups.append(self._group("service", line["project"], region, spec["service"], parent=project))
        addresses = [one["address"] for one in spec.get("interfaces") or ()]
        node = observed.get("node") or ""
        variables = {
            **topology_variables.common(line),
            "resource_project": line["project"],
            "resource_service": spec["service"],
            "resource_index": spec["index"],
            "resource_cluster": cluster,
            "resource_node": node,
            "resource_datacenter": datacenter,
            "resource_floor": floor,
            "resource_rack": rack,
            "resource_power_domain": observed.get("power"),
            "resource_network_domain": observed.get("network"),
            "resource_provider": spec["provider"],
            "resource_addresses": addresses,
            **topology_variables.amounts("resource_capacity_", spec.get("sizes")),
            "ansible_host": host_address.chosen(self._addresses, spec["host_name"], spec.get("interfaces") or ()),
        }
        self._host(spec["host_name"], f"Compute {line['project']}/{region}/{line['name']}", groups, variables)

    def _physical_resource(self, line: t.Mapping[str, t.Any]) -> None:
        """Skip the machine of a node: the node is its host."""
        spec, datacenter, name = line["spec"], line["datacenter"], line["name"]
        if (datacenter, name) in self._machines:
            return
        rack = spec.get("rack") or ""
        floor = self._racks.get((datacenter, rack), "") or spec.get("floor") or ""
        groups = [self._group("physical_resources"), self._place(datacenter, floor, rack), *_words(self, line)]
        groups.append(self._group("role", spec["role"]))
        variables = {**topology_variables.common(line), **topology_variables.placed(datacenter, floor, rack, spec)}
        host = f"{name}.{datacenter}"
        variables["ansible_host"] = host_address.chosen(self._addresses, host, spec.get("ports") or ())
        self._host(host, f"PhysicalResource {datacenter}/{name}", groups, variables)


_HANDLERS: t.Mapping[str, t.Callable[[Inventory, t.Mapping[str, t.Any]], None]] = {
    "Region": Inventory._region,
    "RegionAvailabilityZone": Inventory._availability_zone,
    "Datacenter": Inventory._datacenter,
    "Floor": Inventory._floor,
    "Rack": Inventory._rack,
    "Cluster": Inventory._cluster,
    "NetworkAvailabilityZone": Inventory._network_zone,
    "NodeAvailabilityZone": Inventory._node_zone,
    "Node": Inventory._node,
    "Compute": Inventory._compute,
    "PhysicalResource": Inventory._physical_resource,
}


def read(
    lines: t.Iterable[bytes],
    short_node_names: bool = False,
    variables: t.Optional[t.Container[str]] = None,
    group_prefix: str = "",
    group_separator: str = "_",
    addresses: t.Sequence[str] = host_address.DEFAULT,
) -> Inventory:
    """Return the inventory of a whole answer; raises TopologyError for an incomplete one, or a later format."""
    whole = Inventory(short_node_names, variables, group_prefix, group_separator, addresses)
    physical: t.List[t.Dict[str, t.Any]] = []
    numbered = iter(lines)
    head = _parsed(next(numbered, b""))
    _check_head(head)
    whole.tag = str(head.get("tag") or "")
    for raw in numbered:
        line = _parsed(raw)
        if "end" in line:
            for each in physical:  # after the nodes, which say whose machines some of them are
                whole.add(each)
            whole.resolve_clashes()
            return whole
        if line["kind"] == "PhysicalResource":
            physical.append(line)
        else:
            whole.add(line)
    raise TopologyError("the API's answer ended half-way: try again")


def _check_head(head: t.Mapping[str, t.Any]) -> None:
    number = head.get("topology")
    if number is None:
        raise TopologyError("the answer is no topology: is api_url the address of the API?")
    if number != FORMAT:
        raise TopologyError(
            f"the API writes topologies in format {number}, this collection reads format {FORMAT}: "
            "install the collection that came with the API"
        )


def _parsed(raw: bytes) -> t.Dict[str, t.Any]:
    try:
        line = json.loads(raw)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise TopologyError("the answer is no topology: is api_url the address of the API?")
    return line


def _words(whole: Inventory, line: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for word in ("status", "state"):
        if line[word]:
            yield whole._group(word, line[word])


def _source_text(source: t.Tuple[str, ...]) -> str:
    return f"{source[0]} {'/'.join(source[1:])}".strip()
