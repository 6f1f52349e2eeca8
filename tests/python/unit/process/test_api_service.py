"""ApiService (F4, A9): who may ask what, one write for many heartbeats, silent processes are shown so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.clock import SystemClock, VirtualClock
from controller.errors import Forbidden, InvalidInput
from controller.pki import ROOT, AuthorityTree, Identity, cluster_scope
from controller.process.api_service import ApiServicer
from controller.store import changes
from controller.store.database import Database, Tier
from controller.wire.api_pb2 import ReassignRoleRequest, UpdateNodeRequest
from tests.python.processes import all_processes

CONTROLLER = Identity(ROOT, "resource-controller", "rc-1")


class Caller:
    """Stands for the context of a call: the certificate is real, the connection is not there."""

    def __init__(self, tree: AuthorityTree, identity: Identity) -> None:
        self._chain = tree.scope(identity.scope).issue(identity, clock=SystemClock())[1].chain

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_pem_cert": [self._chain]}


@pytest.fixture
def tree(tmp_path: Path) -> AuthorityTree:
    return AuthorityTree(tmp_path / "pki", clock=SystemClock())


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Any:
    database = Database(f"sqlite:///{tmp_path}/root.db", tier=Tier.ROOT, clock=clock)
    database.upgrade()
    yield database
    database.close()


def beat(name: str, kind: str = "resource-controller", **more: Any) -> UpdateNodeRequest:
    return UpdateNodeRequest(kind=kind, name=name, endpoint="127.0.0.1:7441", role="Slave", ready=True, **more)


@pytest.mark.design("F4", "H2")
async def test_the_lease_is_handed_out_once(db: Database, tree: AuthorityTree, clock: VirtualClock) -> None:
    servicer = ApiServicer(db, clock=clock, lease_seconds=15)
    ask = {
        name: (
            ReassignRoleRequest(kind="resource-controller", name=name),
            Caller(tree, Identity(ROOT, "resource-controller", name)),
        )
        for name in ("rc-1", "rc-2")
    }
    replies = await asyncio.gather(*(servicer.ReassignRole(*one) for one in ask.values()))  # type: ignore[arg-type]
    assert len({reply.holder for reply in replies}) == 1
    assert {reply.term for reply in replies} == {1}
    assert all(reply.expires_in_seconds == 15 for reply in replies)


@pytest.mark.parametrize(
    "identity",
    [
        Identity(ROOT, "resource-controller", "rc-2"),
        Identity(ROOT, "resource-api", "rc-1"),
        Identity(cluster_scope("tokyo1"), "resource-controller", "rc-1"),
    ],
    ids=str,
)
async def test_nobody_speaks_for_another(
    db: Database, tree: AuthorityTree, clock: VirtualClock, identity: Identity
) -> None:
    servicer = ApiServicer(db, clock=clock)
    caller: Any = Caller(tree, identity)
    with pytest.raises(Forbidden):
        await servicer.ReassignRole(ReassignRoleRequest(kind="resource-controller", name="rc-1"), caller)
    with pytest.raises(Forbidden):
        await servicer.UpdateNode(beat("rc-1"), caller)


async def test_only_the_tiers_controller_has_a_master(db: Database, tree: AuthorityTree, clock: VirtualClock) -> None:
    caller: Any = Caller(tree, CONTROLLER)
    with pytest.raises(InvalidInput, match="cluster-controller"):
        await ApiServicer(db, clock=clock).ReassignRole(
            ReassignRoleRequest(kind="cluster-controller", name="rc-1"), caller
        )


@pytest.mark.design("A9", "F4")
async def test_a_process_is_shown_as_it_says_and_heartbeats_stay_out_of_the_log(
    db: Database, tree: AuthorityTree, clock: VirtualClock
) -> None:
    servicer = ApiServicer(db, clock=clock)
    caller: Any = Caller(tree, CONTROLLER)
    await servicer.UpdateNode(beat("rc-1", term=3), caller)
    await servicer.flush()
    before = db.read(changes.head)
    for _ in range(5):
        clock.shift(5)
        await servicer.UpdateNode(beat("rc-1", term=3), caller)
        await servicer.flush()
    assert db.read(changes.head) == before
    (row,) = db.read(all_processes)
    assert (row.spec.process_kind.value, row.spec.role.value, row.spec.term) == ("resource-controller", "Slave", 3)
    assert row.spec.heartbeat == clock.now()
    assert row.state == "Up"
    await servicer.UpdateNode(UpdateNodeRequest(kind=CONTROLLER.kind, name="rc-1", role="Slave", message="x"), caller)
    await servicer.flush()
    (row,) = db.read(all_processes)
    assert (row.state, row.state_reason) == ("Unknown", "x")


@pytest.mark.design("A9")
async def test_a_silent_process_is_shown_as_down_until_it_speaks_again(
    db: Database, tree: AuthorityTree, clock: VirtualClock
) -> None:
    servicer = ApiServicer(db, clock=clock, silent_seconds=30)
    caller: Any = Caller(tree, CONTROLLER)
    await servicer.UpdateNode(beat("rc-1"), caller)
    await servicer.flush()
    clock.shift(29)
    await servicer.show_silent()
    assert db.read(all_processes)[0].state == "Up"
    clock.shift(2)
    await servicer.show_silent()
    (row,) = db.read(all_processes)
    assert row.state == "Down"
    assert "no heartbeat since" in row.state_reason
    head = db.read(changes.head)
    await servicer.show_silent()
    assert db.read(changes.head) == head
    await servicer.UpdateNode(beat("rc-1"), caller)
    await servicer.flush()
    assert db.read(all_processes)[0].state == "Up"


async def test_a_process_that_another_api_showed_as_down_comes_back(
    db: Database, tree: AuthorityTree, clock: VirtualClock
) -> None:
    first, second = (ApiServicer(db, clock=clock, silent_seconds=30) for _ in range(2))
    first.record_heartbeat(beat("rc-1"))
    await first.flush()
    clock.shift(31)
    await second.show_silent()
    assert db.read(all_processes)[0].state == "Down"
    first.record_heartbeat(beat("rc-1"))
    await first.flush()
    assert db.read(all_processes)[0].state == "Up"


async def test_nonsense_is_refused(db: Database, clock: VirtualClock) -> None:
    servicer = ApiServicer(db, clock=clock)
    for wrong in (beat("rc-1", kind="toaster"), beat("Not A Name"), beat("rc-1", term=-1)):
        with pytest.raises(InvalidInput):
            servicer.record_heartbeat(wrong)
