"""Several processes on one database, killed and stopped in the middle of a write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import Unavailable
from controller.model.datacenter import RACK
from controller.store import changes, lease, resources
from controller.store.database import Fence, Tier
from tests.python.contract.store.samples import racks, store
from tests.python.databases import Databases

ROOT = Path(__file__).parents[4]


@contextmanager
def process(url: str, body: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process with ``db`` open; it is killed at the end if it still runs."""
    head = """
        import signal, sys, time
        from controller.store import engines, lease, resources
        from controller.store.database import Database, Fence, Tier
        from tests.python.contract.store.samples import racks
        engines.IDLE_MILLISECONDS = 1000
        db = Database(sys.argv[1], tier=Tier.ROOT)
        def say(word):
            print(word, flush=True)
    """
    code = textwrap.dedent(head) + textwrap.dedent(body)
    with subprocess.Popen(
        [sys.executable, "-c", code, url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def says(child: subprocess.Popen[str], word: str) -> None:
    assert child.stdout is not None
    assert child.stdout.readline().strip() == word


@pytest.mark.design("G1")
def test_a_process_killed_in_a_write_leaves_nothing_and_holds_up_nobody(databases: Databases) -> None:
    url = databases.url()
    db = databases.open(url)
    body = """
        def work(tx):
            resources.insert(tx, racks("a"))
            say("inside")
            time.sleep(60)
        db.write(work)
    """
    with process(url, body) as child:
        says(child, "inside")
        child.send_signal(signal.SIGKILL)
        child.wait()
        (rack,) = store(db, *racks("a"))
    assert rack.resource_version == 2
    assert [item.path for item in db.read(lambda tx: changes.since(tx, 1))] == ["tokyo/a"]


@pytest.mark.design("H2")
@pytest.mark.postgresql
def test_a_master_stopped_past_its_lease_is_refused_when_woken(databases: Databases) -> None:
    url = databases.url()
    db = databases.open(url, clock=None)
    body = """
        held = db.write(lambda tx: lease.reassign(tx, "resource-controller", "one", 0, 0.2))
        say("master")
        sys.stdin.readline()
        try:
            db.write(lambda tx: resources.insert(tx, racks("a")), fence=Fence("resource-controller", held.term))
            say("wrote")
        except Exception as error:
            say(type(error).__name__)
    """
    with process(url, body) as child:
        says(child, "master")
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        term = 1
        while term == 1:
            term = db.write(lambda tx: lease.reassign(tx, "resource-controller", "two", 1, 15)).term
        child.send_signal(signal.SIGCONT)
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        says(child, "StaleTerm")
    db.write(lambda tx: resources.insert(tx, racks("b")), fence=Fence("resource-controller", term))
    assert [rack.name for rack in db.read(lambda tx: resources.list_all(tx, RACK))] == ["b"]


@pytest.mark.design("H2")
@pytest.mark.postgresql
def test_a_process_stopped_inside_a_write_loses_its_lock(databases: Databases) -> None:
    """PostgreSQL ends the idle transaction; on SQLite the writer waits, and says so when it gives up."""
    if databases.engine == "sqlite":
        pytest.skip("one controller per tier on SQLite")
    url = databases.url()
    db = databases.open(url)
    body = """
        def work(tx):
            resources.insert(tx, racks("a"))
            say("inside")
            sys.stdin.readline()
            resources.insert(tx, racks("b"))
        try:
            db.write(work)
            say("wrote")
        except Exception as error:
            say(type(error).__name__)
    """
    with process(url, body) as child:
        says(child, "inside")
        child.send_signal(signal.SIGSTOP)
        (rack,) = store(db, *racks("c"))
        assert rack.resource_version == 2
        child.send_signal(signal.SIGCONT)
        assert child.stdin is not None
        child.stdin.write("\n\n\n")
        child.stdin.flush()
        says(child, "inside")
        says(child, "wrote")
    assert len(db.read(lambda tx: resources.list_all(tx, RACK))) == 3


@pytest.mark.design("G1")
def test_a_write_that_waits_too_long_is_unavailable(
    sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.store.engines.BUSY_MILLISECONDS", 50)
    url = sqlite_databases.url()
    one, two = (sqlite_databases.open(url, Tier.ROOT, SystemClock()) for _ in range(2))

    def write_meanwhile(_: object) -> None:
        with pytest.raises(Unavailable, match="database is locked"):
            store(two, *racks("a"))

    one.write(write_meanwhile)
    store(two, *racks("a"))
