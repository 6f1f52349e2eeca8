"""The example site in a lab of its own, with real virtual machines: what tests ask of it and do to it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.agent.drivers.libvirt.names import domain_uuid, tap_name
from controller.client import Client
from controller.errors import ResourceError
from controller.hostnet.service import ROUTE_PROTOCOL, TAP_PREFIX
from controller.lab import namespaces, probe, up
from controller.lab.command import run, succeeds
from controller.lab.daemons import Daemon
from controller.lab.lab import Lab
from controller.lab.plane import CLUSTER, ControlPlane
from controller.lab.settings import LabSettings, Node
from controller.model import registry
from controller.model.registry import Key
from controller.store import capacity
from controller.store.database import Database, Tier
from tests.python import lab_network
from tests.python.end_to_end.vm import hypervisors

Document = dict[str, Any]
WEB = registry.get("RegionService").key("kanto", "web")
ASKED = 3
"""How often a machine is asked before it counts as not answering."""
SETTLE_SECONDS = 240.0
"""Guests boot in ten seconds where nothing else runs; this is for machines where much else does."""


def compute_key(name: str) -> Key:
    """Key of a Compute."""
    return registry.get("Compute").key("kanto", name)


def node_key(node: Node) -> Key:
    """Key of a Node."""
    return registry.get("Node").key(CLUSTER, node.name)


@dataclass(frozen=True)
class Gap:
    """How an address answered for a while."""

    replies: int
    longest: float
    """Seconds between two replies, at most."""


class Site:
    """The site that ``up`` made in a lab."""

    def __init__(self, settings: LabSettings, logs: Path) -> None:
        """``logs``: where the logs of its processes are kept when it is gone."""
        self.lab = Lab(settings)
        self.plane = ControlPlane(self.lab)
        self._logs = logs

    def down(self) -> None:
        """End and remove it all, but for the logs."""
        if self.plane.logs.exists():
            shutil.copytree(self.plane.logs, self._logs, dirs_exist_ok=True)
        up.down(self.lab.settings)

    # --- the API

    def call(self, work: Callable[[Client], Any], deadline: float = 180.0) -> Any:
        """Do something with a client, again while the API is away."""
        end = time.monotonic() + deadline
        while True:
            try:
                with Client(self.plane.url, token=self.plane.token_file.read_text().strip()) as client:
                    return work(client)
            except ResourceError as error:
                if error.http_status < 503 or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def act(self, key: Key, verb: str, body: Document | None = None) -> None:
        """An action: scale, migrate, drain, ..."""
        self.call(lambda client: client.act(key, verb, body))

    def scale(self, replicas: int) -> None:
        """Ask for another number of machines."""
        self.act(WEB, "scale", {"replicas": replicas})

    def put_web(self, **changes: Any) -> None:
        """Change the template of the service ``web``, or create it again as the example has it."""
        rules = [{"axis": axis, "mode": "AntiAffinity"} for axis in ("power", "rack")]
        template: Document = {"flavor": "small", "image": "guest", "schedule_policy": {"rules": rules}}
        template |= {"network_policy": {"static_networks": ["service"]}, **changes}
        there = self.service()
        replicas = there["spec"]["replicas"] if there else 3
        spec = {"replicas": replicas, "security_groups": ["web"], "compute": template}
        self.call(lambda client: client.put({"kind": "RegionService", "name": "web", "region": "kanto", "spec": spec}))

    def put_group(self, project: str, *ingress: Document) -> None:
        """Give the SecurityGroup ``web`` of a project these rules."""
        document = {"kind": "SecurityGroup", "name": "web", "project": project, "spec": {"ingress": list(ingress)}}
        self.call(lambda client: client.put(document))

    def rows(self, kind: str, *parents: str) -> list[Document]:
        """All resources of a kind, by name."""
        return sorted(self.call(lambda client: list(client.list(kind, *parents))), key=lambda row: str(row["name"]))

    def service(self) -> Document | None:
        """The service, unless it is gone."""
        return next(iter(self.rows("RegionService", "kanto")), None)

    def computes(self) -> list[Document]:
        """All Computes."""
        return self.rows("Compute", "kanto")

    def names(self) -> list[str]:
        """Names of all Computes."""
        return [row["name"] for row in self.computes()]

    def compute(self, name: str) -> Document:
        """One Compute."""
        return next(row for row in self.computes() if row["name"] == name)

    def node_of(self, name: str) -> Node:
        """The node that a Compute is on."""
        return self.lab.layout.node(self.compute(name)["observed"]["node"])

    def another_node(self, name: str) -> Node:
        """A node that a Compute may move to: the emptiest."""
        used = Counter(row["observed"]["node"] for row in self.computes())
        return min((node for node in self.lab.nodes if node != self.node_of(name)), key=lambda node: used[node.name])

    # --- the machines

    def boots(self) -> dict[str, str]:
        """Boot id of each machine that answers over HTTP at its address as itself."""
        return {name: answer["boot_id"] for name, answer in self.answers().items()}

    def answers(self) -> dict[str, Document]:
        """What each machine answers over HTTP; what does not answer as itself is left out."""
        found = {}
        for row in self.computes():
            # A guest on a busy machine may take longer than one question waits.
            asked = (probe.ask(self.lab, address_of(row)) for _ in range(ASKED))
            answer = next((each for each in asked if each is not None), None)
            if answer is not None and answer["host_name"] == row["spec"]["host_name"]:
                found[row["name"]] = answer
        return found

    def reaches(self, source: str, address: str, port: int = 80) -> bool:
        """Whether the machine at ``source`` can open a connection, as it says itself to the router."""
        asked = (probe.ask(self.lab, source, path=f"/tcp/{address}/{port}", timeout=10) for _ in range(ASKED))
        answer = next((each for each in asked if each is not None), None)
        assert answer is not None, f"the machine at {source} does not answer"
        return bool(answer["reaches"])

    @contextlib.contextmanager
    def pinged(self, name: str) -> Iterator[Callable[[], Gap]]:
        """Ping a machine from the router all the while; afterwards the result tells how it answered."""
        command = self.lab.in_router("ping", "-n", "-D", "-i", "0.1", address_of(self.compute(name)))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        lines = ""

        def gap() -> Gap:
            moments = [float(line[1:].split("]")[0]) for line in lines.splitlines() if "bytes from" in line]
            gaps = [after - before for before, after in itertools.pairwise(moments)]
            return Gap(len(moments), max(gaps, default=0.0))

        try:
            yield gap
        finally:
            process.send_signal(signal.SIGINT)
            lines = process.communicate(timeout=120)[0]

    # --- whether all is as it should be

    def settled(self, replicas: int) -> str:
        """Why the site is not exactly so many machines, each running once and answering; empty when it is."""
        services, computes = self.rows("RegionService", "kanto"), self.computes()
        if any(row["status"] != "Active" for row in (*services, *computes)) or len(computes) != replicas:
            return str([(row["name"], row["status"], row["status_reason"]) for row in (*services, *computes)])
        if problem := self.misplaced() or self.leaks():
            return problem
        if len(answers := self.answers()) != replicas:
            return f"only these answer: {sorted(answers)}"
        return ""

    def misplaced(self) -> str:
        """What runs or lies on nodes other than the Computes that are to, each once; empty when nothing does."""
        processes = hypervisors.guests(self.lab.layout.namespaces)
        computes = self.computes()
        running = [row for row in computes if row["spec"]["power"] == "Running"]
        if sorted(guest.uuid for guest in processes) != sorted(domain_uuid(row["uid"]) for row in running):
            return f"QEMU processes {processes} for {[row['name'] for row in running]}"
        for node in self.lab.nodes:
            mine = [row for row in computes if row["observed"]["node"] == node.name]
            if problem := self._misplaced_on(node, mine):
                return f"{node.name}: {problem}"
        routes = {
            (str(route["dst"]), str(route.get("gateway")))
            for route in lab_network.routes(self.lab.layout.router)
            if str(route["dst"]).startswith("172.16.10.")
        }
        announced = {(address_of(row), str(self.lab.layout.node(row["observed"]["node"]).address)) for row in running}
        return "" if routes == announced else f"the router has the routes {routes}, wanted {announced}"

    def _misplaced_on(self, node: Node, computes: list[Document]) -> str:
        running = [row for row in computes if row["spec"]["power"] == "Running"]
        wanted = {
            domain_uuid(row["uid"]): hypervisors.RUNNING if row in running else hypervisors.SHUT_OFF for row in computes
        }
        if (there := hypervisors.states(node)) != wanted:
            return f"domains {there}, wanted {wanted}"
        folder = node.state / "machines"
        disks = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if disks != sorted(row["uid"] for row in computes):
            return f"disks of {disks}"
        taps = {(tap_name(row["uid"], 0), address_of(row)) for row in running}
        links = {link for link in lab_network.links(node.namespace) if link.startswith(TAP_PREFIX)}
        if links != {tap for tap, _ in taps}:
            return f"taps {links}, wanted {taps}"
        if (routes := _service_routes(node)) != taps:
            return f"routes {routes}, wanted {taps}"
        # The filter of a stopped machine stays: so there is no moment without it when it starts.
        wanted_guests = {(tap_name(row["uid"], 0), address_of(row)) for row in computes}
        if (guests := _firewall_guests(node)) != wanted_guests:
            return f"firewall elements {guests}, wanted {wanted_guests}"
        return ""

    def leaks(self) -> str:
        """Addresses, assignments and capacity that no Compute accounts for; empty when there are none."""
        computes = self.computes()
        uids = sorted(row["uid"] for row in computes)
        taken = sorted(row["spec"]["address"] for row in self.rows("NetworkV4Port", CLUSTER, "service"))
        if taken != sorted(address_of(row) for row in computes):
            return f"addresses {taken}"
        if (assigned := sorted(row["spec"]["resource_uid"] for row in self.rows("Assignment", CLUSTER))) != uids:
            return f"assignments {assigned}, Computes {uids}"
        database = Database(f"sqlite:///{self.plane.folder}/cluster.db", tier=Tier.CLUSTER, cluster=CLUSTER)
        try:
            usage = database.read(capacity.usage)
        finally:
            database.close()
        memory = sum(used.memory_mib for _, used in usage.values())
        if memory != sum(row["spec"]["sizes"]["memory_mib"] for row in computes):
            return f"{memory} MiB taken by {len(computes)} Computes"
        nodes = self.rows("Node", CLUSTER)
        if (states := [row["state"] for row in nodes]) != ["Up"] * len(nodes):
            return f"nodes are {states}"
        return ""

    def until_settled(self, replicas: int, deadline: float = SETTLE_SECONDS) -> None:
        """Wait for ``settled``."""
        self.until(lambda: self.settled(replicas), deadline)

    def until(self, problem: Callable[[], str], deadline: float = SETTLE_SECONDS) -> None:
        """Wait until nothing is the problem."""
        end = time.monotonic() + deadline
        while found := problem():
            assert time.monotonic() < end, f"not within {deadline:g} s: {found}"
            time.sleep(0.3)

    def have(self, replicas: int) -> None:
        """Come to a settled site of so many machines, whatever an earlier test left."""
        for node in self.rows("Node", CLUSTER):
            if not node["spec"]["schedulable"]:
                self.act(node_key(self.lab.layout.node(node["name"])), "uncordon")
        for row in self.computes():
            if row["spec"]["power"] != "Running":
                self.act(compute_key(row["name"]), "start")
        if self.service() is None:
            self.put_web()
        self.scale(replicas)
        self.until_settled(replicas)

    # --- processes and daemons

    def daemon(self, name: str, node: Node) -> Daemon:
        """A daemon of a node: libvirtd, virtlogd, bird."""
        return next(daemon for daemon in self.lab.daemons()[node.name] if daemon.name == name)

    def pid(self, role: str, node: Node | None = None) -> int | None:
        """Process id of a role or daemon; those that each node has need the node."""
        if node is not None and role != "cluster-agent":
            return self.daemon(role, node).pid()
        for pid in namespaces.processes_marked(self.lab.settings.id):
            words = hypervisors.read(pid, "cmdline").split("\0")
            if words[2:4] == ["run", role] and (node is None or namespaces.is_in(pid, node.namespace)):
                return pid
        return None

    def kill(self, role: str, node: Node | None = None) -> int:
        """SIGKILL a process; its id, to tell the next one by."""
        end = time.monotonic() + 120
        while (pid := self.pid(role, node)) is None:
            assert time.monotonic() < end, f"{role} does not run"
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_back(self, role: str, node: Node | None, killed: int) -> None:
        """Wait until the keeper has started another one."""
        self.until(lambda: "" if self.pid(role, node) not in (None, killed) else f"{role} is not started again", 60)


def address_of(compute: Document) -> str:
    """Service address of a Compute."""
    return str(compute["spec"]["interfaces"][0]["address"])


def _service_routes(node: Node) -> set[tuple[str, str]]:
    return {
        (str(route["dev"]), str(route["dst"]))
        for route in lab_network.routes(node.namespace)
        if route.get("protocol") == str(ROUTE_PROTOCOL)
    }


def _firewall_guests(node: Node) -> set[tuple[str, str]]:
    """Elements of the set of taps and addresses of the node's firewall."""
    listing = node.enter("nft", "--json", "list", "set", "inet", "resource_service", "guest")
    if not succeeds(*listing):
        return set()
    found = next(item["set"] for item in json.loads(run(*listing))["nftables"] if "set" in item)
    return {(element["concat"][0], element["concat"][1]) for element in found.get("elem", [])}
