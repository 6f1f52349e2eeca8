"""A site for the inventory's figures, written straight into the root database as controllers would leave it.

Racks of 40 servers, two feeds for each; half of the hosts are nodes, half Computes on them.
"""

from __future__ import annotations

from typing import Any

from benchmarks import documents
from benchmarks.site import Site
from controller.model import document
from controller.model.registry import AnyResource
from controller.store import resources
from controller.store.database import Database, Tier

PER_RACK = 40
_SIZES = {"vcpus": 64, "memory_mib": 262144, "disk_gib": 1920}


def fill(made: Site, hosts: int) -> None:
    """Write a site with so many hosts."""
    db = Database(made.urls["root"], tier=Tier.ROOT)
    try:
        for each in (_places(made, hosts // 2), _nodes(hosts // 2), _computes(hosts - hosts // 2)):
            db.write(lambda tx, each=each: resources.insert(tx, each))  # type: ignore[misc]
    finally:
        db.close()


def _places(made: Site, servers: int) -> list[AnyResource]:
    found: list[dict[str, Any]] = [
        {"kind": "Region", "name": documents.REGION},
        {"kind": "Datacenter", "name": documents.DATACENTER},
        {"kind": "Provider", "name": "libvirt", "spec": {"provides": "VirtualMachine", "driver": "Libvirt"}},
        {
            "kind": "Cluster",
            "name": documents.CLUSTER,
            "spec": {"region": documents.REGION, "datacenter": documents.DATACENTER, "endpoint": made.cluster_endpoint},
        },
    ]
    found += [{"kind": "NodeAvailabilityZone", "name": f"row-{n}", "cluster": documents.CLUSTER} for n in range(8)]
    found += [{"kind": "Floor", "name": f"floor-1-1-{n}", "datacenter": documents.DATACENTER} for n in range(4)]
    for number in range(-(-servers // PER_RACK)):
        spec = {"floor": f"floor-1-1-{number % 4}", "row": number + 1}
        found.append({"kind": "Rack", "name": _rack(number), "datacenter": documents.DATACENTER, "spec": spec})
    for number in range(servers):
        rack = _rack(number // PER_RACK)
        spec = {
            "role": "Server",
            "model": None,
            "rack": rack,
            "position": number % PER_RACK + 1,
            "serial": f"SN{number:06}",
            "ports": [{"name": "eth0", "address": _address(10, number)}, {"name": "eth1"}],
            "network_links": [{"port": f"eth{n}", "peer": f"{rack}-leaf{n}"} for n in (0, 1)],
            "power_links": [{"inlet": f"psu{n}", "source": f"{rack}-pdu{n}"} for n in (0, 1)],
        }
        found.append(
            {"kind": "PhysicalResource", "name": _server(number), "datacenter": documents.DATACENTER, "spec": spec}
        )
    return [document.parse(each) for each in found]


def _nodes(count: int) -> list[AnyResource]:
    made = []
    for number in range(count):
        spec = {
            "physical_resource": _server(number),
            "providers": ["libvirt"],
            "node_availability_zone": f"row-{number // PER_RACK % 8}",
        }
        raw = {
            "kind": "Node",
            "name": _server(number),
            "cluster": documents.CLUSTER,
            "spec": spec,
            "labels": {"env": "lab"},
        }
        observed = {"zones": _zones(number), "capacity": _SIZES, "taken": {"vcpus": 1.5}, "computes": 1}
        made.append(document.parse(raw).model_copy(update={"observed": observed, "state": "Up"}))
    return made


def _computes(count: int) -> list[AnyResource]:
    made = []
    for number in range(count):
        service, index = f"web{number // 50}", number % 50
        interface = {
            "network": "service",
            "address": _address(172, number),
            "prefix_length": 16,
            "gateway": "172.16.0.1",
            "mac": "52:54:00:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big")),
        }
        spec = {
            "service": service,
            "index": index,
            "host_name": f"{service}-{index}.default.{documents.REGION}",
            "cluster": documents.CLUSTER,
            "provider": "libvirt",
            "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
            "image": {"url": "file:///srv/guest.qcow2", "checksum": documents.IMAGE_CHECKSUM},
            "interfaces": [interface],
            "user_data": "#cloud-config\n" + "# as long as they are\n" * 50,
        }
        raw: dict[str, Any] = {
            "kind": "Compute",
            "name": f"{service}-{index}",
            "region": documents.REGION,
            "spec": spec,
        }
        observed = {"node": _server(number), **_zones(number)}
        made.append(document.parse(raw).model_copy(update={"observed": observed, "state": "Running"}))
    return made


def _zones(number: int) -> dict[str, str]:
    rack = number // PER_RACK
    return {
        "datacenter": documents.DATACENTER,
        "rack": _rack(rack),
        "power": f"feed-{rack % 20}a+feed-{rack % 20}b",
        "network": f"leaf-{rack}a+leaf-{rack}b",
    }


def _rack(number: int) -> str:
    return f"floor-1-1-{number % 4}-rack-{number}"


def _server(number: int) -> str:
    return f"{_rack(number // PER_RACK)}-server{number % PER_RACK + 1}"


def _address(first: int, number: int) -> str:
    return f"{first}.16.{number // 250}.{number % 250 + 2}"
