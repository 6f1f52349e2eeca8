"""The longest name that each kind takes goes through everything that is made from it.

| made from names | limit | made of |
|---|---|---|
| name of a Compute | 63 | service, index of the last replica |
| host name of a Compute (DNS) | 253, labels of 63 | Compute, project, region |
| tap of a machine | 15 | uid, number of the interface |
| common name of an authority | 64 | cluster |
| DNS names of a certificate | 253, labels of 63 | process or node, kind, cluster |
| the root's name of a cluster's resource | 127 | cluster, node |
| the root's name of a cluster's process | 127 | cluster, process |
| name of a libvirt domain, and of its log file | 255 bytes | project, region, Compute |
| file of an extra disk | 255 bytes | disk |
| serial number of a disk in its guest | 20, different in a Compute | disk (``disk_names``) |
| Ansible host or group, and its file of variables | 255 bytes | names of up to three kinds |
| path of a Unix socket | 107 bytes | settings (``process.settings``) |

Units of systemd and files of a machine's folder have fixed names or the uid; a quarantine has the uid and the time.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from controller.agent.assignments import Assigned
from controller.agent.drivers.libvirt.files import MachineFiles
from controller.agent.drivers.libvirt.names import tap_name
from controller.model import document
from controller.model.compute import COMPUTE, SERIAL_LENGTH, Disk
from controller.model.names import MAX_NAME, NAME_PATTERN, QUALIFIED_NAME_PATTERN
from controller.model.region_service import MAX_REPLICAS
from controller.model.service_process import SERVICE_PROCESS
from controller.pki import cluster_scope
from controller.pki.identity import Identity, authority_name, server_name
from controller.root.writes import derived_names
from controller.wire.agent_pb2 import AssignmentItem

LONGEST = "n" * MAX_NAME
SERVICE, CLUSTER = "s" * 57, "c" * 39
FILE_NAME = 255
"""Bytes of a file's name on Linux."""


def test_the_lengths_here_are_the_longest_that_are_taken() -> None:
    template = {
        "flavor": "small",
        "image": "guest",
        "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
    }
    service = {"kind": "RegionService", "region": "kanto", "spec": {"replicas": 1, "compute": template}}
    cluster = {"kind": "Cluster", "spec": {"region": "kanto", "datacenter": "tokyo"}}
    for raw, name in ((service, SERVICE), (cluster, CLUSTER)):
        assert not list(derived_names.problems(None, document.parse({**raw, "name": name})))
        assert list(derived_names.problems(None, document.parse({**raw, "name": f"{name}x"})))


def test_a_compute_has_a_name_and_a_host_name() -> None:
    compute = f"{SERVICE}-{MAX_REPLICAS - 1}"
    assert re.fullmatch(NAME_PATTERN, compute)
    host = f"{compute}.{LONGEST}.{LONGEST}"
    assert len(host) <= 253
    assert all(len(label) <= 63 for label in host.split("."))


@pytest.mark.parametrize("index", [0, 255])
def test_a_tap_has_a_name_that_the_kernel_takes(index: int) -> None:
    assert len(tap_name("f" * 64, index)) <= 15


def test_certificates_have_names() -> None:
    assert len(authority_name(cluster_scope(CLUSTER))) <= 64
    for name in (*Identity.node(CLUSTER, LONGEST).dns_names, server_name(cluster_scope(CLUSTER), "cluster-controller")):
        assert len(name) <= 253
        assert all(len(label) <= 63 for label in name.split("."))


def test_the_root_has_a_name_for_a_node_of_a_cluster() -> None:
    name = f"{CLUSTER}.{LONGEST}"
    assert len(name) <= 127
    assert re.fullmatch(QUALIFIED_NAME_PATTERN, name)


def test_the_root_has_a_name_for_a_process_of_a_cluster() -> None:
    qualified = f"{CLUSTER}.{LONGEST}"
    assert document.parse({**dict(SERVICE_PROCESS.example), "name": qualified}).name == qualified


def test_a_machine_has_a_domain_with_a_log_file_and_files_of_its_disks(tmp_path: Path) -> None:
    spec = COMPUTE.model.model_validate(COMPUTE.example).spec
    spec = spec.model_copy(update={"disks": (Disk(name=LONGEST, size_gib=1),)})
    path = f"{LONGEST}/{LONGEST}/{SERVICE}-{MAX_REPLICAS - 1}"
    item = AssignmentItem(resource=path, spec=spec.model_dump_json().encode())
    assert len(f"{Assigned(item).desired.name}.log") <= FILE_NAME
    for disk in MachineFiles(tmp_path, "f" * 64).disks(spec):
        assert len(f".{disk.path.name}.new") <= FILE_NAME
        assert len(disk.serial) <= SERIAL_LENGTH


def test_ansible_has_hosts_and_groups_with_files_of_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power and network domains are left out: the names of any number of devices make them, and Ansible takes them."""
    monkeypatch.syspath_prepend(Path(__file__).parents[5] / "collections")
    topology = importlib.import_module("ansible_collections.resource.infra.plugins.module_utils.topology")
    rest = {"labels": {}, "status": "Active", "state": "Running", "observed": {}, "spec": {}}
    site = {"region": LONGEST, "datacenter": LONGEST, "cluster": CLUSTER, "project": LONGEST}
    specs: dict[str, dict[str, Any]] = {
        "Region": {},
        "Datacenter": {},
        "RegionAvailabilityZone": {},
        "Floor": {},
        "Rack": {"floor": LONGEST},
        "Cluster": site,
        "NetworkAvailabilityZone": {},
        "NodeAvailabilityZone": {},
        "Node": {
            "network_availability_zone": LONGEST,
            "node_availability_zone": LONGEST,
            "region_availability_zone": LONGEST,
        },
        "Compute": {
            **site,
            "service": SERVICE,
            "index": 0,
            "provider": LONGEST,
            "host_name": f"{SERVICE}-{MAX_REPLICAS - 1}.{LONGEST}.{LONGEST}",
        },
        "PhysicalResource": {"role": "RackLeafRouter", "rack": LONGEST},
    }
    whole = topology.Inventory()
    for kind, spec in specs.items():
        whole.add({**rest, **site, "kind": kind, "name": CLUSTER if kind == "Cluster" else LONGEST, "spec": spec})
    assert len(whole.hosts) == 3
    assert max(map(len, whole.groups)) == len(f"service_{LONGEST}_{LONGEST}_{SERVICE}")
    assert all(len(f"{name}.yaml") <= FILE_NAME for name in (*whole.hosts, *whole.groups))
