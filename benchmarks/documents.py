"""Documents for the runs: sites of any size, named as in the design."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

REGION, DATACENTER, CLUSTER = "kanto", "tokyo", "bench"
IMAGE_CHECKSUM = "sha256:" + "0" * 64
POLICY = {"rules": [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity"}]}


def site(endpoint: str) -> list[Document]:
    """A region with one cluster, in-memory provider, a flavor, an image and a network of 65,000 addresses."""
    return [
        {"kind": "Region", "name": REGION},
        {"kind": "Datacenter", "name": DATACENTER},
        {
            "kind": "Cluster",
            "name": CLUSTER,
            "spec": {"region": REGION, "datacenter": DATACENTER, "endpoint": endpoint},
        },
        {"kind": "Provider", "name": "memory", "spec": {"provides": "VirtualMachine", "driver": "Memory"}},
        {
            "kind": "ResourceFlavor",
            "name": "small",
            "spec": {"provider": "memory", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
        },
        {
            "kind": "Image",
            "name": "guest",
            "region": REGION,
            "spec": {"url": "file:///srv/guest.qcow2", "checksum": IMAGE_CHECKSUM},
        },
        {
            "kind": "NetworkV4",
            "name": "service",
            "cluster": CLUSTER,
            "spec": {
                "subnet": "10.16.0.0/16",
                "gateway": "10.16.0.1",
                "start_address": "10.16.0.2",
                "end_address": "10.16.255.254",
            },
        },
    ]


def nodes(count: int, prefix: str = "sim-") -> list[Document]:
    """Nodes as the simulated agents name them."""
    return [
        {"kind": "Node", "name": f"{prefix}{number}", "cluster": CLUSTER, "spec": {"providers": ["memory"]}}
        for number in range(count)
    ]


def service(replicas: int) -> Document:
    """A service of so many Computes."""
    compute = {"flavor": "small", "image": "guest", "schedule_policy": POLICY}
    return {
        "kind": "RegionService",
        "name": "web",
        "region": REGION,
        "spec": {"replicas": replicas, "compute": compute},
    }


def physical_resources(count: int, per_rack: int = 40) -> list[Document]:
    """A floor with racks, and in all ``count`` physical resources: PDUs, leaf routers and servers, linked."""
    floor = "floor-1-1-1"
    documents: list[Document] = [{"kind": "Floor", "name": floor, "datacenter": DATACENTER}]
    made = 0
    number = 0
    while made < count:
        number += 1
        rack = f"{floor}-rack-{(number - 1) // 20 + 1}-{(number - 1) % 20 + 1}"
        documents.append({"kind": "Rack", "name": rack, "datacenter": DATACENTER, "spec": {"floor": floor}})
        for document in _rack(rack, per_rack):
            if made < count:
                documents.append(document)
                made += 1
    return documents


def _rack(rack: str, servers: int) -> Iterator[Document]:
    pdus = [f"{rack}-pdu-a", f"{rack}-pdu-b"]
    leaves = [f"{rack}-rack-leaf-router01", f"{rack}-rack-leaf-router02"]
    for name in pdus:
        yield _physical(name, role="Pdu", rack=rack)
    power = [{"inlet": f"psu{index}", "source": pdu} for index, pdu in enumerate(pdus, 1)]
    for name in leaves:
        yield _physical(name, role="RackLeafRouter", rack=rack, power_links=power)
    network = [{"port": f"eth{index}", "peer": leaf} for index, leaf in enumerate(leaves)]
    for number in range(1, servers + 1):
        yield _physical(
            f"{rack}-server{number}",
            role="Server",
            rack=rack,
            position=number,
            ports=[{"name": "eth0"}, {"name": "eth1"}],
            network_links=network,
            power_links=power,
        )


def _physical(name: str, **spec: Any) -> Document:
    return {"kind": "PhysicalResource", "name": name, "datacenter": DATACENTER, "spec": spec}
