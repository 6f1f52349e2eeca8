"""A site in a lab of its own, with real virtual machines: what tests ask of it and do to it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt

from controller.agent.drivers.libvirt.definition import domain_uuid
from controller.client import Client
from controller.errors import ResourceError
from controller.lab import namespaces, probe
from controller.lab.lab import Lab
from controller.lab.node import libvirtd
from controller.lab.plane import CLUSTER, ControlPlane
from controller.lab.settings import LabSettings, Node
from controller.model import registry
from controller.model.registry import Key

Document = dict[str, Any]
WEB = registry.get("RegionService").key("kanto", "web")


def compute(name: str) -> Key:
    """Key of a Compute."""
    return registry.get("Compute").key("kanto", name)


class Site:
    """The site that ``up`` made in a lab."""

    def __init__(self, settings: LabSettings) -> None:
        self.lab = Lab(settings)
        self.plane = ControlPlane(self.lab)

    def call(self, work: Callable[[Client], Any], deadline: float = 60) -> Any:
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

    def put_web(self, replicas: int, **more: Any) -> None:
        """Ask for the service ``web``."""
        template = {"flavor": "small", "image": "guest", **more}
        rules = [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity"}]
        template |= {"schedule_policy": {"rules": rules}, "network_policy": {"static_networks": ["service"]}}
        spec = {"replicas": replicas, "compute": template}
        self.call(lambda client: client.put({"kind": "RegionService", "name": "web", "region": "kanto", "spec": spec}))

    def rows(self, kind: str, *parents: str) -> list[Document]:
        """All resources of a kind, by name."""
        return sorted(self.call(lambda client: list(client.list(kind, *parents))), key=lambda row: str(row["name"]))

    def computes(self) -> list[Document]:
        """All Computes."""
        return self.rows("Compute", "kanto")

    def node_of(self, name: str) -> Node:
        """The node that a Compute is on."""
        found = {row["name"]: row["observed"]["node"] for row in self.computes()}
        return self.lab.layout.node(found[name])

    def answers(self) -> dict[str, Document]:
        """What each Compute answers over HTTP, by name; what does not answer as itself is left out."""
        found = {}
        for row in self.computes():
            answer = probe.ask(self.lab, row["spec"]["interfaces"][0]["address"])
            if answer is not None and answer["host_name"] == row["spec"]["host_name"]:
                found[row["name"]] = answer
        return found

    def settled(self, replicas: int) -> str:
        """Why the site is not exactly so many Computes, each running once and answering; empty when it is."""
        services, computes = self.rows("RegionService", "kanto"), self.computes()
        if any(row["status"] != "Active" for row in (*services, *computes)) or len(computes) != replicas:
            return str([(row["name"], row["status"], row["status_reason"]) for row in (*services, *computes)])
        running, wanted = running_copies(self.lab), {domain_uuid(row["uid"]): 1 for row in computes}
        if running != wanted:
            return f"running {running}, wanted {wanted}"
        if len(processes := self.machines()) != replicas:
            return f"QEMU processes {processes}"
        if len(answers := self.answers()) != replicas:
            return f"only these answer: {sorted(answers)}"
        return self.leaks()

    def leaks(self) -> str:
        """Addresses, assignments and places that no Compute accounts for; empty when there are none."""
        computes = self.computes()
        uids = sorted(row["uid"] for row in computes)
        taken = sorted(row["spec"]["address"] for row in self.rows("NetworkV4Port", CLUSTER, "service"))
        if taken != sorted(row["spec"]["interfaces"][0]["address"] for row in computes):
            return f"addresses {taken}"
        if (assigned := sorted(row["spec"]["resource_uid"] for row in self.rows("Assignment", CLUSTER))) != uids:
            return f"assignments {assigned}, Computes {uids}"
        if (counted := sum(row["observed"]["computes"] for row in self.rows("Node", CLUSTER))) != len(computes):
            return f"nodes count {counted} of {len(computes)} Computes"
        return ""

    def until_settled(self, replicas: int, deadline: float = 300) -> None:
        """Wait for ``settled``."""
        self.until(lambda: self.settled(replicas), deadline)

    def until(self, problem: Callable[[], str], deadline: float = 120) -> None:
        """Wait until nothing is the problem."""
        end = time.monotonic() + deadline
        while found := problem():
            assert time.monotonic() < end, f"not within {deadline:g} s: {found}"
            time.sleep(0.3)

    def machines(self) -> list[int]:
        """Process ids of all QEMUs of the lab."""
        return [
            pid
            for pid in namespaces.processes_in(self.lab.layout.namespaces)
            if _read(pid, "comm").startswith("qemu-system")
        ]

    def kill(self, role: str, node: Node | None = None) -> None:
        """SIGKILL a process by its role; ``libvirtd`` and agents on a node."""
        if role == "libvirtd":
            assert node is not None
            libvirtd(node).kill()
            return
        place = None if node is None else node.namespace
        for pid in namespaces.processes_marked(self.lab.settings.id):
            words = _read(pid, "cmdline").split("\0")
            if "run" in words and role in words and (place is None or namespaces.is_in(pid, place)):
                os.kill(pid, signal.SIGKILL)
                return
        raise AssertionError(f"{role} does not run")


def running_copies(lab: Lab) -> dict[str, int]:
    """How many copies of each domain the hypervisors run, by uuid."""
    found: dict[str, int] = {}
    for node in lab.nodes:
        for uid, state in states(node).items():
            if state == libvirt.VIR_DOMAIN_RUNNING:
                found[uid] = found.get(uid, 0) + 1
    return found


def states(node: Node) -> dict[str, int]:
    """States of the domains of a node, by uuid; nothing when its libvirtd is away."""
    with contextlib.suppress(libvirt.libvirtError):
        connection = libvirt.open(node.libvirt_uri)
        try:
            return {domain.UUIDString(): domain.state()[0] for domain in connection.listAllDomains()}
        finally:
            connection.close()
    return {}


@contextlib.contextmanager
def watched(lab: Lab) -> Iterator[list[str]]:
    """Look at all hypervisors without a break; gives the domains that were seen running twice at once."""
    twice: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            first = {node.name: states(node) for node in lab.nodes}
            again = {node.name: states(node) for node in lab.nodes}
            # Looks at two hosts are not at one instant: a copy counts when it ran before and after.
            both = [
                uid
                for name, before in first.items()
                for uid, state in before.items()
                if state == again[name].get(uid) == libvirt.VIR_DOMAIN_RUNNING
            ]
            twice.extend(uid for uid in set(both) if both.count(uid) > 1)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield twice
    finally:
        ended.set()
        thread.join()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
