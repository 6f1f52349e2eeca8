"""Starts and removes a whole example: a lab, the control plane, and a site with its virtual machines.

``up`` may be called again at any time: it keeps what exists and creates what is missing. The example
documents are applied once only, so that later changes of users stay. ``down`` needs only the lab's
id, and also removes what a killed ``up`` has left.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.client.sync import Client
from controller.errors import NotFound, PermanentError, ResourceError, TimedOut, Unavailable
from controller.lab import files, keeper, probe
from controller.lab.guest import GuestImage, guest_image
from controller.lab.lab import Lab
from controller.lab.plane import CLUSTER, ControlPlane, load_settings
from controller.lab.settings import LabSettings, Node
from controller.model import document
from controller.model.access import JoinToken, JoinTokenSpec

IMAGE, REGION = "guest", "kanto"
"""The image that the example's service names, and its region."""

_APPLIED = "applied"
_READY_SECONDS = 90.0
_MACHINES_SECONDS = 420.0
_POLL_SECONDS = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """A virtual machine as the API shows it."""

    name: str
    node: str
    rack: str
    address: str
    status: str
    reason: str
    wanted: bool
    """Whether it is to run."""
    answers: bool = False
    """Whether it answered over HTTP through the lab's router."""

    @property
    def done(self) -> bool:
        """Return whether it is in its desired state."""
        return self.status == "Active" and (self.answers or not self.wanted)


Show = Callable[[Sequence[Machine]], None]


@dataclass(frozen=True)
class Result:
    """The result of ``up``."""

    machines: tuple[Machine, ...]
    url: str
    token_file: Path

    @property
    def complete(self) -> bool:
        """Return whether every virtual machine is in its desired state."""
        return all(machine.done for machine in self.machines)


def up(
    settings: LabSettings, examples: Path, *, say: Say = lambda line: None, show: Show = lambda machines: None
) -> Result:
    """Start everything and wait until the virtual machines answer.

    A lab that exists keeps the settings that it was created with. ``show`` is called with all virtual
    machines whenever one of them has changed. Raises TimedOut when the API does not start; virtual
    machines that do not start in time are in the result as they are.
    """
    if not examples.is_dir():
        raise NotFound(f"the folder of example documents {examples} does not exist")
    with contextlib.suppress(NotFound):
        settings = load_settings(settings.state)
    guest = guest_image(say=say)
    lab = Lab(settings)
    lab.up(say)
    plane = ControlPlane(lab)
    plane.prepare(guest)
    say("control plane: starting")
    keeper.start(lab)
    with _client(plane) as client:
        if not (settings.state / _APPLIED).exists():
            say(f"applying {examples}")
            _apply(plane, client, examples, _documents(plane, examples, guest))
            files.write(settings.state / _APPLIED, f"{datetime.now(UTC).isoformat()}\n")
        for node in lab.nodes:
            if not plane.may_join(node):
                _write_join_token(plane, client, node)
        machines = _wait_for_machines(lab, client, show)
    return Result(tuple(machines), plane.url, plane.token_file)


def down(settings: LabSettings, *, keep_state: bool = False, say: Say = lambda line: None) -> None:
    """End all processes of a lab and remove it, with its state unless ``keep_state`` is set."""
    lab = Lab(settings)
    if keeper.running(settings.state) is not None:
        say("control plane: stopping")
        keeper.stop(lab)
    say(f"lab {settings.id}: removing")
    lab.down(keep_state=keep_state)


def _client(plane: ControlPlane) -> Client:
    """Return a client once the API answers. Raises TimedOut."""
    limit = time.monotonic() + _READY_SECONDS
    while True:
        try:
            client = Client(plane.url, token=plane.token_file.read_text().strip())
            next(iter(client.list("Region")), None)
        except (FileNotFoundError, ResourceError) as error:
            if time.monotonic() > limit:
                raise TimedOut(f"the API at {plane.url} does not start; see {plane.logs}") from error
            time.sleep(_POLL_SECONDS)
        else:
            return client


def _documents(plane: ControlPlane, examples: Path, guest: GuestImage) -> list[dict[str, Any]]:
    """Return the example documents, with the values that depend on this machine."""
    documents = [
        dict(raw) for path in sorted(examples.rglob("*.yaml")) for raw in document.read(path.read_text("utf-8"))
    ]
    for each in documents:
        if each["kind"] == "Cluster" and each["name"] == CLUSTER:
            each["spec"] = {**each["spec"], "endpoint": plane.cluster_endpoint}
    image = {"kind": "Image", "name": IMAGE, "region": REGION, "spec": guest.spec().model_dump(mode="json")}
    return [*documents, image]


def _apply(plane: ControlPlane, client: Client, examples: Path, documents: list[dict[str, Any]]) -> None:
    """Apply the documents with the playbook that builds a site, or directly where ansible is not installed.

    Raises PermanentError with the playbook's output when it fails.
    """
    playbook = examples.parents[1] / "playbooks" / "site.yml"
    program = Path(sys.executable).with_name("ansible-playbook")
    if not (playbook.is_file() and program.is_file()):
        client.apply(documents)
        return
    path = plane.lab.settings.state / "site.json"
    files.write(path, json.dumps(documents))
    given = {"site": [str(path)], "site_documents": []}
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "RESOURCE_"))}
    environ |= {"ANSIBLE_CONFIG": str(examples.parents[1] / "ansible.cfg"), "RESOURCE_SERVER": plane.url}
    environ |= {"RESOURCE_TOKEN_FILE": str(plane.token_file)}
    command = [str(program), "-i", "localhost,", str(playbook), "-e", json.dumps(given)]
    done = subprocess.run(
        command,
        cwd=playbook.parents[1],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise PermanentError(f"{playbook.name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _write_join_token(plane: ControlPlane, client: Client, node: Node) -> None:
    """Create a join token and write it to the file that the node's agent reads."""
    now = datetime.now(UTC)
    token = JoinToken(
        name=f"{node.name[:40]}-{now:%Y%m%d%H%M%S}",
        cluster=CLUSTER,
        spec=JoinTokenSpec(node=node.name, expires_at=now + timedelta(hours=1)),
    )
    result = client.apply([document.render(token, server_set=False)])[0]
    files.write(plane.join_token_file(node), f"{result['secret']}\n", 0o600)


def _wait_for_machines(lab: Lab, client: Client, show: Show) -> list[Machine]:
    limit = time.monotonic() + _MACHINES_SECONDS
    shown: list[Machine] = []
    with ThreadPoolExecutor(4, "ask") as pool:
        while True:
            try:
                wanted, machines = _machines(client)
            except Unavailable:
                wanted, machines = -1, shown
            # An answer counts only if it comes from the guest that has the address.
            answers = pool.map(lambda machine: _answers(lab, machine), machines)
            machines = [replace(machine, answers=answer) for machine, answer in zip(machines, answers, strict=True)]
            if machines != shown:
                show(machines)
                shown = machines
            if len(machines) == wanted and all(machine.done for machine in machines):
                return machines
            if time.monotonic() > limit:
                return machines
            time.sleep(_POLL_SECONDS)


def _machines(client: Client) -> tuple[int, list[Machine]]:
    """Return how many virtual machines are desired, and those that exist."""
    wanted = sum(service["spec"]["replicas"] for service in client.list("RegionService"))
    return wanted, sorted((_machine(compute) for compute in client.list("Compute")), key=lambda each: each.name)


def _machine(compute: dict[str, Any]) -> Machine:
    spec, observed = compute["spec"], compute.get("observed") or {}
    interfaces = spec.get("interfaces") or [{}]
    return Machine(
        name=compute["name"],
        node=observed.get("node") or "",
        rack=observed.get("rack") or "",
        address=interfaces[0].get("address", ""),
        status=compute["status"],
        reason=compute.get("status_reason") or "",
        wanted=spec["power"] == "Running",
    )


def _answers(lab: Lab, machine: Machine) -> bool:
    if machine.status != "Active" or not machine.wanted or not machine.address:
        return False
    answer = probe.ask(lab, machine.address)
    return answer is not None and str(answer.get("host_name", "")).split(".")[0] == machine.name
