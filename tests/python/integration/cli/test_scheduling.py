"""plan, capacity, schedule-snapshot and schedule-replay, with every process of the design for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import documents
from benchmarks.site import Site
from controller.cli.exit_codes import ExitCode
from tests.python.integration.cli.conftest import Shell
from tests.python.integration.cli.test_tour import NODES, _items, _machines, _until
from tests.python.integration.cli.test_tour import running as running
from tests.python.integration.cli.test_tour import shell as shell

FOREIGN = "must be a file written by schedule-snapshot"


def service(name: str, replicas: int, flavor: str = "small") -> dict[str, Any]:
    made = documents.service(replicas)
    made["name"] = name
    made["spec"]["compute"]["flavor"] = flavor
    return made


def flavor(name: str, **sizes: Any) -> dict[str, Any]:
    spec = {"provider": "memory", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1, **sizes}}
    return {"kind": "ResourceFlavor", "name": name, "spec": spec}


@pytest.mark.design("J8", "J9", "J10", "J11", "I1")
async def test_a_plan_is_what_is_done_and_a_saved_snapshot_says_the_same(shell: Shell, running: Site) -> None:
    await _until(lambda: [node["state"] for node in _items(shell, "nodes")] == ["Up"] * NODES)
    wanted = [flavor("large", vcpus=2), service("web", 3), service("db", 2, "large")]
    text = json.dumps(wanted)

    steps = json.loads(shell.ok("plan", "-f", "-", "-o", "json", stdin=text))["changes"]
    assert steps[0]["forecast"] is None
    web, db = (step["forecast"] for step in steps[1:])
    assert (web["cluster"], list(web["placements"])) == (documents.CLUSTER, ["web-0", "web-1", "web-2"])
    assert web["capacity"]["vcpus"]["after"] == db["capacity"]["vcpus"]["before"], "services of one file see each other"
    lines = shell.ok("plan", "-f", "-", stdin=text).splitlines()
    assert any(line.split()[:2] == ["db-0", db["placements"]["db-0"]] for line in lines)
    assert any(line.split()[0] == "vcpus" and line.endswith("-4") for line in lines if line.split())

    file = str(shell.folder / "snapshot.json")
    assert f"{file}: {NODES} nodes, 0 services" in shell.ok("schedule-snapshot", documents.CLUSTER, "-o", file)
    replayed = json.loads(shell.ok("schedule-replay", file, "-f", "-", "-o", "json", stdin=text))
    for step, again in zip(steps[1:], replayed, strict=True):
        assert again["key"] == step["key"]
        for name in ("cluster", "placements", "why", "capacity"):
            assert again["forecast"][name] == step["forecast"][name], name

    shell.ok("apply", "-f", "-", stdin=json.dumps(wanted[:2]))  # written together, their order is open
    await _until(lambda: [one[1] for one in _machines(shell).values()] == ["Active"] * 3)
    shell.ok("apply", "-f", "-", stdin=json.dumps(wanted[2:]))
    await _until(lambda: [one[1] for one in _machines(shell).values()] == ["Active"] * 5)
    assert {name: one[0] for name, one in _machines(shell).items()} == {**web["placements"], **db["placements"]}

    more = json.dumps([service("web", 4), service("db", 1, "small")])
    up, down = (
        step["forecast"] for step in json.loads(shell.ok("plan", "-f", "-", "-o", "json", stdin=more))["changes"]
    )
    assert list(up["placements"]) == ["web-3"]
    assert (down["placements"], list(down["leaving"]), list(down["resized"])) == ({}, ["db-1"], ["db-0"])

    told = shell.ok("capacity").splitlines()
    header = " ".join(told[0].split())
    assert header == "CLUSTER FLAVOR FITS AFTER WORST RACK AFTER WORST POWER AFTER WORST NETWORK"
    assert told[1].split()[:2] == [documents.CLUSTER, "large"]
    assert any(f"{NODES} of {NODES} nodes take new resources; 5 Computes" in line for line in told)


@pytest.mark.design("J8")
async def test_a_refusal_shows_the_counted_reasons(shell: Shell, running: Site) -> None:
    await _until(lambda: [node["state"] for node in _items(shell, "nodes")] == ["Up"] * NODES)
    text = json.dumps([flavor("huge", vcpus=1000), service("web", 1, "huge")])
    lines = [line.strip() for line in shell.ok("plan", "-f", "-", stdin=text).splitlines()]
    reason = f"{NODES} nodes: {NODES} too few vcpus"
    assert "no cluster would take it" in lines
    assert f"cluster {documents.CLUSTER} would not take it: {reason}" in lines
    file = str(shell.folder / "snapshot.json")
    shell.ok("schedule-snapshot", documents.CLUSTER, "-o", file)
    again = shell.run("schedule-replay", file, "-f", "-", stdin=text)
    assert again.exit_code == ExitCode.REFUSED
    assert f"cluster {documents.CLUSTER} would not take it: {reason}" in again.output


def test_a_file_that_is_no_snapshot_is_one_clear_error(empty_shell: Shell, tmp_path: Path) -> None:
    web = empty_shell.write("web.json", json.dumps(documents.service(1)))
    good = {"cluster": "c", "flavors": [], "scheduling": {"version": 1, "nodes": [], "services": {}}}
    for text, code, message in (
        ("{", ExitCode.INVALID, "is no JSON"),
        ("{}", ExitCode.INVALID, FOREIGN),
        (json.dumps({**good, "scheduling": {}}), ExitCode.INVALID, "version: must be 1"),
        (
            json.dumps({**good, "scheduling": []}),
            ExitCode.INVALID,
            f"scheduling: {FOREIGN}",
        ),
        (json.dumps({**good, "cluster": 5}), ExitCode.INVALID, f"cluster: {FOREIGN}"),
        (
            json.dumps({**good, "flavors": [1]}),
            ExitCode.INVALID,
            f"flavors: {FOREIGN}",
        ),
        (json.dumps({**good, "flavors": [{"kind": "Sofa"}]}), ExitCode.INVALID, "flavors: kind"),
        (json.dumps(good), ExitCode.INVALID, "ResourceFlavor small does not exist"),
    ):
        file = empty_shell.write("bad.json", text)
        result = empty_shell.run("schedule-replay", file, "-f", web)
        assert result.exit_code == code, result.output
        (line,) = result.stderr.splitlines()
        assert message in line
    missing = empty_shell.run("schedule-replay", str(tmp_path / "none.json"), "-f", web)
    assert missing.exit_code == ExitCode.USAGE


def test_a_replay_tells_a_service_that_stands_there_from_one_that_no_cluster_takes(empty_shell: Shell) -> None:
    """One node with web-0 on it, and a hard rule that lets no second one there."""
    apart = {
        "rules": [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "node", "mode": "AntiAffinity", "hard": True}]
    }
    size = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}
    node = {"name": "n1", "total": {name: 9 * amount for name, amount in size.items()}, "taken": size}
    there = {"index": 0, "node": "n1", "need": size, "share": {"size": size}}
    scheduling = {
        "version": 1,
        "nodes": [{**node, "providers": ["memory"]}],
        "services": {"default/kanto/web": [there]},
    }
    file = empty_shell.write(
        "saved.json", json.dumps({"cluster": "c", "flavors": [flavor("small")], "scheduling": scheduling})
    )
    wanted = [service("web", 2), service("new", 2)]
    for each in wanted:
        each["spec"]["compute"]["schedule_policy"] = apart
    told = empty_shell.run("schedule-replay", file, "-f", "-", stdin=json.dumps(wanted))
    assert told.exit_code == ExitCode.REFUSED
    assert [line.strip() for line in told.stdout.splitlines() if "cluster" in line or "nowhere" in line] == [
        "cluster c",
        "1 would fit nowhere: 1 node: 1 node already used",
        "no cluster would take it",
        "cluster c would not take it: 1 of 2: 1 node: 1 node already used",
    ]
    names = empty_shell.run("schedule-replay", file, "-f", "-", "-o", "name", stdin=json.dumps(wanted))
    assert names.stdout.splitlines() == ["region_service/kanto/web", "region_service/kanto/new"]
