"""The hosts that in-memory drivers share."""

from __future__ import annotations

from pathlib import Path

from controller.agent.drivers.memory import FolderHypervisors, MemoryHypervisors
from tests.python.contract.drivers.memory_hosts import MemoryHosts


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("host-*.json")}


async def test_a_folder_world_finishes_an_edit_that_was_decided(tmp_path: Path) -> None:
    """A process that is killed between writing the journal and the hosts' files has edited both or none."""
    world = FolderHypervisors(tmp_path)
    hosts = MemoryHosts(world)
    driver = await hosts.driver()
    desired = hosts.desired()
    await driver.ensure(desired, run=True)
    decided = files(tmp_path)
    await driver.remove(desired.uid, timeout=0)
    body = ",".join(f'"{name}": {text}' for name, text in decided.items())
    (tmp_path / "journal").write_text("{" + body + "}")
    with FolderHypervisors(tmp_path).edit("memory:server1"):
        pass
    assert world.running(desired.uid) == ["memory:server0"]
    assert not (tmp_path / "journal").exists()
    await driver.close()


async def test_worlds_record_a_double_run(tmp_path: Path) -> None:
    for world in (MemoryHypervisors(), FolderHypervisors(tmp_path)):
        hosts = MemoryHosts(world)
        desired = hosts.desired()
        drivers = [await hosts.driver(number) for number in (0, 1)]
        for driver in drivers:
            await driver.ensure(desired, run=True)
            await driver.close()
        assert len(world.double_runs()) == 1
        assert desired.uid in world.double_runs()[0]
