"""The examples and the pages of the project: they hold what the models and the design say."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from controller.agent.settings import AgentSettings
from controller.cli import extensions
from controller.cli.main import COMMANDS
from controller.cluster.settings import ClusterApiSettings, ClusterControllerSettings
from controller.model import document, registry
from controller.model.registry import AnyResource
from controller.process.settings import ProcessSettings, load_settings
from controller.root.settings import ResourceApiSettings, ResourceControllerSettings
from scripts import checks, rows, steps
from scripts.recorder import Record
from tests.python.eventually import eventually

ROOT = Path(__file__).parents[3]
TOKYO = ROOT / "examples" / "tokyo"


def _example() -> list[AnyResource]:
    text = "\n---\n".join(path.read_text() for path in sorted(TOKYO.glob("*.yaml")))
    return document.parse_all(document.read(text))


def _by_kind(kind: str) -> dict[str, AnyResource]:
    return {resource.name: resource for resource in _example() if resource.kind == kind}


def _peers(resource: AnyResource) -> set[str]:
    return {link.peer for link in resource.spec.network_links}


def _sources(resource: AnyResource) -> set[str]:
    return {link.source for link in resource.spec.power_links}


@pytest.mark.design("G3")
def test_example_is_valid_and_names_each_resource_once() -> None:
    keys = [registry.key_of(resource) for resource in _example()]
    assert len(keys) == len(set(keys))
    kinds = {key.kind for key in keys}
    assert {"Datacenter", "Floor", "Rack", "PhysicalResource", "Cluster", "Node", "NetworkAvailabilityZone"} <= kinds
    assert {"NodeAvailabilityZone", "Region", "RegionService"} <= kinds


def test_example_refers_only_to_what_it_holds_and_to_the_image_of_the_machine() -> None:
    known = {str(registry.key_of(resource)) for resource in _example()}
    missing = {name for resource in _example() for name in _references(resource) if name not in known}
    assert missing == {"Image kanto/guest"}


def _references(resource: AnyResource) -> list[str]:
    spec = resource.spec
    names: list[str] = []
    datacenter = getattr(resource, "datacenter", "")
    match resource.kind:
        case "Floor":
            names = [f"Datacenter {datacenter}"]
        case "Rack":
            names = [f"Floor {datacenter}/{spec.floor}"] + ([f"Rack {datacenter}/{spec.pair}"] if spec.pair else [])
        case "PhysicalResource":
            names = [f"PhysicalResource {datacenter}/{name}" for name in _peers(resource) | _sources(resource)]
            names += [f"Rack {datacenter}/{spec.rack}"] if spec.rack else []
            names += [f"Floor {datacenter}/{spec.floor}"] if spec.floor else []
            names += [f"PhysicalModel {spec.model}"] if spec.model else []
        case "Cluster":
            names = [f"Region {spec.region}", f"Datacenter {spec.datacenter}"]
        case "Node":
            names = [f"PhysicalResource tokyo/{spec.physical_resource}"]
            names += [f"NetworkAvailabilityZone {resource.parent_names[0]}/{spec.network_availability_zone}"]
            names += [f"NodeAvailabilityZone {resource.parent_names[0]}/{spec.node_availability_zone}"]
            names += [f"Provider {name}" for name in spec.providers]
        case "ResourceFlavor":
            names = [f"Provider {spec.provider}"]
        case "RegionService":
            names = [f"ResourceFlavor {spec.compute.flavor}", f"Image kanto/{spec.compute.image}"]
    return names


@pytest.mark.design("G6")
def test_each_server_of_the_example_is_one_node() -> None:
    servers = [name for name, pr in _by_kind("PhysicalResource").items() if pr.spec.role == "Server"]
    nodes = [node.spec.physical_resource for node in _by_kind("Node").values()]
    assert sorted(servers) == sorted(nodes)
    assert len(servers) == 4


@pytest.mark.design("M1")
def test_example_names_routers_as_the_design_does() -> None:
    """
    ::

        root-1-gateway-router01 --- root-1-floor-spine-router01 --- floor-1-1-1-floor-leaf-router01
            --- floor-1-1-1-rack-spine-router01 --- floor-1-1-1-rack-1-1-rack-leaf-router01
            --- floor-1-1-1-rack-1-1-server1
    """
    physical = _by_kind("PhysicalResource")
    path = [
        "floor-1-1-1-rack-1-1-server1",
        "floor-1-1-1-rack-1-1-rack-leaf-router01",
        "floor-1-1-1-rack-spine-router01",
        "floor-1-1-1-floor-leaf-router01",
        "root-1-floor-spine-router01",
        "root-1-gateway-router01",
    ]
    for below, above in itertools.pairwise(path):
        assert above in _peers(physical[below])


@pytest.mark.design("M1")
def test_every_providers_spines_reach_the_leaves_of_every_floor() -> None:
    physical = _by_kind("PhysicalResource")
    spines = {name for name, pr in physical.items() if pr.spec.role == "FloorSpineRouter"}
    leaves = {name: pr for name, pr in physical.items() if pr.spec.role == "FloorLeafRouter"}
    assert {name.split("-")[1] for name in spines} == {"1", "2"}
    assert {pr.spec.floor for pr in leaves.values()} == set(_by_kind("Floor"))
    for leaf in leaves.values():
        assert _peers(leaf) == spines
    for spine in spines:
        assert _peers(physical[spine]) == {f"root-{spine.split('-')[1]}-gateway-router01"}


@pytest.mark.design("M1")
def test_each_server_is_wired_to_its_own_rack_and_the_paired_one() -> None:
    racks = _by_kind("Rack")
    physical = _by_kind("PhysicalResource")
    for rack in ("floor-1-1-1-rack-1-1", "floor-1-1-1-rack-1-2"):
        leaves = {name for name, pr in physical.items() if pr.spec.role == "RackLeafRouter" and pr.spec.rack == rack}
        assert leaves == {f"{rack}-rack-leaf-router01", f"{rack}-rack-leaf-router02"}
    for server in (pr for pr in physical.values() if pr.spec.role == "Server"):
        peers = {physical[name].spec.rack for name in _peers(server)}
        assert peers == {server.spec.rack, racks[server.spec.rack].spec.pair}


@pytest.mark.design("G3")
def test_each_server_hangs_on_both_pdus_of_its_rack_and_racks_on_different_power() -> None:
    physical = _by_kind("PhysicalResource")
    systems: dict[str, set[str]] = {}
    for server in (pr for pr in physical.values() if pr.spec.role == "Server"):
        pdus = _sources(server)
        assert pdus == {f"{server.spec.rack}-pdu-a", f"{server.spec.rack}-pdu-b"}
        systems[server.spec.rack] = {feed for pdu in pdus for feed in _sources(physical[pdu])}
    first, second = systems.values()
    assert len(first) == len(second) == 2
    assert not first & second


def test_pages_of_the_kinds_are_fresh() -> None:
    docs = _script("docs")
    wanted = docs.pages()
    found = {path.name: path.read_text() for path in (ROOT / "docs" / "kinds").glob("*.md")}
    assert found == wanted, "run `make docs`"


def test_pages_tell_every_field_of_a_kind_with_its_facts() -> None:
    page = _script("docs").pages()["physical_model.md"]
    line = next(line for line in page.splitlines() if "`spec.memory_mib`" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "`spec.memory_mib`",
        "integer 0..1099511627776",
        "MiB",
        "`0`",
        "`262144`",
        "live",
        "",
        "Memory.",
    ]


def test_table_of_rows_has_every_row_of_the_design_once() -> None:
    counts = {"A": 9, "B": 6, "C": 8, "D": 7, "E": 10, "F": 4, "G": 7, "H": 6, "I": 5}
    counts |= {"J": 11, "K": 5, "L": 3, "M": 5, "N": 8}
    wanted = [f"{letter}{number}" for letter, count in counts.items() for number in range(1, count + 1)]
    assert list(rows.rows()) == wanted


def test_a_row_is_shown_partial_failing_or_not_yet() -> None:
    evidence = {
        "A1": rows.Evidence(passed=["t.py::test_a[x]", "t.py::test_a[y]"]),
        "A2": rows.Evidence(passed=["t.py::test_b"], partial=["no alerts"]),
        "A3": rows.Evidence(passed=["t.py::test_b"], failed=["t.py::test_c"]),
        "A4": rows.Evidence(skipped=["t.py::test_d"]),
    }
    lines = rows.report(dict.fromkeys(("A1", "A2", "A3", "A4", "A5"), "words"), evidence)
    assert lines == [
        "A1   shown    words",
        "       t.py::test_a (2 cases)",
        "A2   partial  words",
        "       partial: no alerts",
        "       t.py::test_b",
        "A3   failing  words",
        "       failed:  t.py::test_c",
        "       t.py::test_b",
        "A4   not run  words",
        "       not run: t.py::test_d",
        "A5   not yet  words",
        "1 shown, 1 partial, 1 failing, 1 not run, 1 not yet",
    ]


def test_rows_collects_marks_and_outcomes_from_real_tests(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.design('A1', 'A2')\n"
        "@pytest.mark.partial('half of it', 'A2')\n"
        "def test_good(): pass\n"
        "@pytest.mark.design('A3')\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.design('A4')\n"
        "@pytest.mark.skip\n"
        "def test_skipped(): pass\n"
        "def test_of_no_row(): assert False\n"
    )
    command = [sys.executable, "-m", "scripts.rows", "--run", "--brief", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    words = {line.split()[0]: line[5:13].strip() for line in done.stdout.splitlines() if re.match(r"[A-Z]\d+ ", line)}
    assert done.returncode == 1
    assert (words["A1"], words["A2"], words["A3"], words["A4"]) == ("shown", "partial", "failing", "not run")
    assert "       partial: half of it" in done.stdout.splitlines()
    assert words["N8"] == "not yet"


def test_rows_without_a_recorded_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows.main([str(tmp_path / "none.json")]) == 1
    assert "run `make test`" in capsys.readouterr().err


def test_a_row_that_the_table_does_not_have_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record({"t.py::test_a": "passed"}, rows={"t.py::test_a": {"A1": []}})
    half = steps.Done(steps.Step("half", []), 0, 1.0, record)
    checks.save([half], [], tmp_path / "record.json")
    assert rows.main(["--brief", str(tmp_path / "record.json")]) == 0
    record.rows["t.py::test_a"]["Z9"] = []
    checks.save([half], [], tmp_path / "record.json")
    assert rows.main(["--brief", str(tmp_path / "record.json")]) == 1
    assert capsys.readouterr().err == "no such row: Z9\n"


TESTS_OF_BOTH_HALVES = {
    "test_first.py": (
        "import pytest\n"
        "@pytest.mark.design('A1')\n"
        "@pytest.mark.parametrize('case', [1, 2])\n"
        "def test_good(case): pass\n"
        "@pytest.mark.design('A2')\n"
        "def test_bad(): assert 1 == 2\n"
        "@pytest.mark.design('A3')\n"
        "@pytest.mark.slow\n"
        "def test_slow(): pass\n"
    ),
    "test_second.py": "import nothing_of_this_name\n",
}


def test_both_halves_of_the_tests_run_and_all_failures_are_named_and_recorded(tmp_path: Path) -> None:
    """Both halves fail at the same time, the first in a process of pytest-xdist."""
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # starts in half of the time
    halves: list[steps.Step] = []
    for name, options in (("first", ["-p", "xdist", "-n", "1", "--dist", "loadfile"]), ("second", [])):
        file = tmp_path / f"test_{name}.py"
        file.write_text(TESTS_OF_BOTH_HALVES[file.name])
        command = [
            *checks.PYTHON,
            "pytest",
            "-q",
            "-W",
            "ignore",
            "-m",
            "not slow",
            f"--rootdir={tmp_path}",
            *options,
            str(file),
        ]
        halves.append(steps.Step(name, command, environ, is_pytest=True, lane=len(halves)))
    done = steps.run(halves)
    assert [each.has_failed for each in done] == [True, True]
    lines = "\n".join(checks.summary(done))
    assert re.search(r"first: failed .*\n  test_first.py::test_bad: assert 1 == 2\nsecond: failed", lines), lines
    assert re.search(r"second: failed .*\n  test_second.py: ModuleNotFoundError: .*nothing_of_this_name", lines), lines
    path = tmp_path / "record.json"
    checks.save(done, ["tests", "-k", "x"], path)
    about, record = rows.recorded(path)
    assert "tests -k x; first (exit code 1), second (exit code 2)" in about
    assert re.search(r"at commit [0-9a-f]{12}", about)
    words = {row: found.word() for row, found in rows.evidence(record).items()}
    assert words == {"A1": "shown", "A2": "failing", "A3": "not run"}
    assert set(record.seconds) == {test for test in record.outcomes if "::" in test}


def test_coverage_is_told_of_all_tests_and_not_of_some() -> None:
    def names(*options: str) -> list[str]:
        return [step.name for step in checks.steps("tests", options)]

    assert names() == ["tests in three processes", "coverage", "tests of machines"]
    assert names("-k", "lab") == ["tests in three processes", "tests of machines"]
    step = steps.Step("coverage", [sys.executable, "-c", "print('one')\nprint('70 %')\nexit(1)"], has_result=True)
    assert re.search(r"coverage: failed \(exit code 1\), .*; 70 %$", checks.summary(steps.run([step]))[-1])


def test_folders_of_tests_are_in_memory_where_it_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MEMORY", tmp_path)
    monkeypatch.setattr(checks, "ROOM", 1)
    shared, *others = checks.steps("tests")
    assert shared.environ["PYTEST_DEBUG_TEMPROOT"] == str(tmp_path)
    assert all("PYTEST_DEBUG_TEMPROOT" not in each.environ for each in others), "images of machines are too large"
    monkeypatch.setattr(checks, "ROOM", 1 << 60)
    assert "PYTEST_DEBUG_TEMPROOT" not in checks.steps("tests")[0].environ
    monkeypatch.setattr(checks, "ROOM", 1)
    monkeypatch.setattr(checks, "MEMORY", tmp_path / "none")
    assert "PYTEST_DEBUG_TEMPROOT" not in checks.steps("tests", ["-k", "lab"])[0].environ


def shell(name: str, script: str, lane: int = 0) -> steps.Step:
    return steps.Step(name, ["sh", "-c", script], lane=lane)


def test_lanes_run_at_the_same_time_and_their_output_does_not_mix(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each of the first two waits for the other; the second lane's first step speaks in the middle of the first's."""
    for name in ("there", "back"):
        os.mkfifo(tmp_path / name)
    first = shell("first", f"echo a; echo >{tmp_path}/there; cat {tmp_path}/back; echo b")
    second = shell("second", f"cat {tmp_path}/there; echo c; echo >{tmp_path}/back; exit 3", lane=1)
    third = shell("third", f"touch {tmp_path}/third", lane=1)
    after = shell("after", f"echo d; ls {tmp_path}/third", lane=1)
    seen: list[list[str]] = []
    done = steps.run([first, second, third, after], lambda done: seen.append([each.step.name for each in done]))
    assert [(each.step.name, each.code) for each in done] == [("first", 0), ("second", 3), ("third", 0), ("after", 0)]
    assert capfd.readouterr().out.split() == [
        *("---", "first", "a", "b"),
        *("---", "second", "c"),
        *("---", "third"),
        *("---", "after", "d", f"{tmp_path}/third"),
    ]
    assert seen[-1] == ["first", "second", "third", "after"]


def started(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, start_new_session=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_nothing_that_a_run_has_started_outlives_it(tmp_path: Path, number: signal.Signals) -> None:
    """Of two lanes; what is interrupted has the time to clean up."""
    tests = "import pathlib, signal\ndef test_it():\n    here = pathlib.Path(__file__).parent\n    try:\n"
    tests += "        (here / 'up').touch()\n        signal.pause()\n    finally:\n        (here / 'cleaned').touch()\n"
    (tmp_path / "test_it.py").write_text(tests)
    command = [*checks.PYTHON, "pytest", "-q", f"--rootdir={tmp_path}", str(tmp_path / "test_it.py")]
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-W ignore"}
    waits = f"echo $$ >{tmp_path}/pid; exec sleep infinity"
    program = (
        "from scripts.steps import Step, run\n"
        f"run([Step('one', {command}, {environ}, is_pytest=True), Step('two', ['sh', '-c', {waits!r}], lane=1)])\n"
    )
    with started(program) as process:
        await eventually(lambda: (tmp_path / "up").exists() and (tmp_path / "pid").exists())
        pid = await eventually(lambda: (tmp_path / "pid").read_text().strip())
        process.send_signal(number)
    assert process.returncode == -number or number is signal.SIGINT
    await eventually(lambda: not Path(f"/proc/{pid}").exists())
    await eventually((tmp_path / "cleaned").exists)


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"project_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SETTINGS: dict[str, type[ProcessSettings]] = {
    "resource-api": ResourceApiSettings,
    "resource-controller": ResourceControllerSettings,
    "cluster-api": ClusterApiSettings,
    "cluster-controller": ClusterControllerSettings,
    "cluster-agent": AgentSettings,
}


@pytest.mark.parametrize("role", SETTINGS)
def test_example_settings_are_taken_by_the_process(role: str) -> None:
    settings = load_settings(SETTINGS[role], ROOT / "examples" / "config" / f"{role}.toml")
    assert settings.tls.folder.is_relative_to("/var/lib/resource-service")


@pytest.mark.parametrize("role", SETTINGS)
def test_unit_starts_the_process_with_its_settings(role: str) -> None:
    unit = (ROOT / "deploy" / "systemd" / f"{role}.service").read_text()
    assert f"/bin/resourcectl run {role} --config /etc/resource-service/{role}.toml\n" in unit


def test_settings_on_the_page_about_joining_are_taken_by_the_agent(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations" / "join-a-node.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    file = tmp_path / "cluster-agent.toml"
    file.write_text(block)
    settings = load_settings(AgentSettings, file)
    (node,) = re.findall(r"^kind: Node\nname: (.+)$", page, flags=re.MULTILINE)
    assert settings.name == node, "the agent has the name of the page's Node"
    (documents,) = re.findall(r"<<END\n(.*?)END\n", page, flags=re.DOTALL)
    assert [resource.kind for resource in document.parse_all(document.read(documents))] == ["PhysicalResource", "Node"]


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_commands_on_pages_exist() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "operations").glob("*.md")):
        for name in re.findall(r"resourcectl ([a-z][a-z-]+)", page.read_text()):
            assert name in {*COMMANDS, *extensions.names()}, f"{page.name}: resourcectl {name}"


def _calls(path: Path) -> Iterator[tuple[int, str, dict[str, ast.expr]]]:
    """Line, name without module and keywords of each call in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield node.lineno, name, {word.arg: word.value for word in node.keywords if word.arg}


WRITTEN_NOW = {
    "controller/cluster/agents/registration.py": "what an agent reports",
    "controller/cluster/agents/service.py": "what an agent reports",
    "controller/lab/plane.py": "the lab's own settings",
    "controller/root/api/answers/plans.py": "an answer of a cluster",
    "controller/root/api/capacity.py": "an answer of a cluster",
    "controller/root/api/move_actions.py": "an answer of a cluster",
    "controller/root/api/request_body.py": "a request",
    "controller/schedule/snapshot_json.py": "a user's file",
}
"""Modules that validate what is not stored, by the rules of today."""


def test_what_is_stored_is_read_by_the_rules_of_its_own_time() -> None:
    """Rules for users get stricter; a machine that runs with an older document must not lose its agent by that."""
    found = set()
    for path in sorted((ROOT / "controller").glob("**/*.py")):
        for _line, name, words in _calls(path):
            if name in ("model_validate", "model_validate_json") and "context" not in words:
                found.add(path.relative_to(ROOT).as_posix())
    assert found == set(WRITTEN_NOW), "read_stored and read_peer read what is stored"


def test_no_test_depends_on_the_speed_of_the_machine() -> None:
    """Deadlines of hypothesis are off for all; a wait or a guard is there for what hangs, not for what is slow."""
    assert settings.default is not None
    assert settings.default.deadline is None
    found: list[str] = []
    for path in sorted((ROOT / "tests").glob("**/*.py")):
        for line, name, words in _calls(path):
            where = f"{path.relative_to(ROOT)}:{line}"
            if name in ("settings", "register_profile") and "deadline" in words and path.name != "conftest.py":
                found.append(f"{where}: the profile sets hypothesis' deadline for all")
            wait = getattr(words.get("deadline"), "value", None)
            if name in ("eventually", "until", "wait_ready") and isinstance(wait, int | float) and wait < 60:
                found.append(f"{where}: a wait of {wait} s is too short for a busy machine")
    assert found == []


def test_git_knows_every_file_that_is_generated() -> None:
    from scripts import collection, docs

    made = [*collection.files(), *(f"docs/kinds/{name}" for name in docs.pages()), "controller/client/kind_table.py"]
    asked = ["git", "check-attr", "linguist-generated", *made]
    answer = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in answer.splitlines() if not line.endswith(": set")] == []
