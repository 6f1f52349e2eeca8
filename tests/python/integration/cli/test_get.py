"""get with several kinds and names, templates, sorting, all projects; explain; changes as they happen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from controller.cli.exit_codes import ExitCode
from tests.python.integration.cli.conftest import TOKYO, Shell

RACK = "floor-1-1-1-rack-1-"


def test_several_kinds_are_tables_one_below_the_other_and_one_list_of_documents(tokyo: Shell) -> None:
    tables = tokyo.ok("get", "racks,floors").split("\n\n")
    assert [table.splitlines()[0].split()[:2] for table in tables] == [["NAME", "FLOOR"], ["NAME", "BUILDING"]]
    documents = json.loads(tokyo.ok("get", "racks,floors", "-o", "json"))
    assert {document["kind"] for document in documents} == {"Rack", "Floor"}


def test_several_names_are_shown_and_those_that_do_not_exist_are_reported(tokyo: Shell) -> None:
    assert tokyo.ok("get", "rack", f"{RACK}2", f"{RACK}1", "-o", "name").splitlines() == [
        f"rack/tokyo/{RACK}2",
        f"rack/tokyo/{RACK}1",
    ]
    assert tokyo.ok("get", f"rack/{RACK}1", "floor/floor-1-1-1", "-o", "name").splitlines() == [
        f"rack/tokyo/{RACK}1",
        "floor/tokyo/floor-1-1-1",
    ]
    result = tokyo.run("get", "rack", f"{RACK}1", "nowhere", "-o", "name")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert result.stdout == f"rack/tokyo/{RACK}1\n"
    assert "nowhere" in result.stderr
    assert tokyo.run("get", "rack", f"{RACK}1", "-l", "a=b").exit_code == ExitCode.USAGE


def test_templates_and_sorting(tokyo: Shell) -> None:
    rows = tokyo.ok("get", "pr", "--sort-by", "spec.position", "-o", "jsonpath={.items[*].spec.position}").split()
    assert rows == sorted(rows, key=float)
    assert len(set(rows)) > 1
    assert tokyo.ok("get", "rack", f"{RACK}1", "-o", "jsonpath={.spec.floor}") == "floor-1-1-1\n"
    lines = tokyo.ok("get", "racks", "-o", "custom-columns=RACK:.name,FLOOR:.spec.floor").splitlines()
    assert lines[0].split() == ["RACK", "FLOOR"]
    assert len(tokyo.ok("get", "racks", "--sort-by", "name", "--limit", "1").splitlines()) == 2
    assert tokyo.run("get", "racks", "--sort-by", "spec.flor").exit_code == ExitCode.USAGE
    assert tokyo.run("get", "racks", "-o", "jsonpath={.name").exit_code == ExitCode.USAGE


def test_a_mistyped_path_in_a_filter_is_refused(tokyo: Shell) -> None:
    result = tokyo.run("get", "racks", "--field", "spec.flor=floor-1-1-1")
    assert result.exit_code == ExitCode.INVALID
    assert "perhaps 'floor' is meant" in result.stderr


@pytest.mark.design("M1")
def test_resources_of_all_projects_and_of_one(tokyo: Shell) -> None:
    tokyo.ok("apply", "-f", "-", stdin="kind: Project\nname: shop\nspec: {}\n")
    web = yaml.safe_load((TOKYO / "web.yaml").read_text())
    del web["spec"]["security_groups"]  # those of another project
    tokyo.ok("apply", "-f", "-", stdin=yaml.safe_dump({**web, "project": "shop", "name": "till"}))
    names = ("-o", "jsonpath={.items[*].name}")
    assert tokyo.ok("get", "services", *names) == "web\n"
    assert tokyo.ok("get", "services", "-p", "shop", *names) == "till\n"
    assert set(tokyo.ok("get", "services", "-A", *names).split()) == {"web", "till"}
    assert tokyo.ok("get", "services", "-A").splitlines()[0].split()[:2] == ["PROJECT", "NAME"]


def test_changes_are_shown_as_they_happen_after_the_list_until_it_is_interrupted(tokyo: Shell) -> None:
    command = [sys.executable, "-m", "controller.cli", "get", "racks", "--field", "spec.row=7", "-w"]
    environ = {**os.environ, **{key: value for key, value in tokyo.environ.items() if value is not None}}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, text=True, preexec_fn=_interruptible
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "no racks found\n"
            rack = {"kind": "Rack", "name": "new", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1", "row": 7}}
            other = {**rack, "name": "other", "spec": {"floor": "floor-1-1-1", "row": 8}}
            tokyo.ok("apply", "-f", "-", stdin=json.dumps([rack, other]))
            assert process.stdout.readline().split()[:3] == ["new", "floor-1-1-1", "7"]
            tokyo.ok("delete", "rack", "other")
            tokyo.ok("delete", "rack", "new")
            deleted = process.stdout.readline()
            assert (deleted.split()[0], deleted.rstrip()[-9:]) == ("new", "(deleted)")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


def _interruptible() -> None:
    """A process that a shell started in the background ignores SIGINT, and so would the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_explain_needs_no_server(empty_shell: Shell) -> None:
    text = empty_shell.ok("explain", "rack")
    assert "A rack" in text
    assert "  spec  (object, required)" in text
    text = empty_shell.ok("explain", "service.spec.compute.shutdown_timeout")
    assert "in s" in text
    assert "FIELDS" not in text
    assert "spec.compute.disks[].size_gib" in empty_shell.ok("explain", "svc", "--recursive")
    result = empty_shell.run("explain", "rack.spec.flor")
    assert result.exit_code == ExitCode.USAGE
    assert "perhaps 'floor' is meant" in result.stderr


def test_version_of_this_program_and_of_the_api(shell: Shell) -> None:
    shown = json.loads(shell.ok("version", "-o", "json"))
    assert shown["api_version"] == shown["client_api_version"]
    assert shown["client"] in shell.ok("version", "--client")
    assert shell.run("version", "--server", "http://127.0.0.1:1").exit_code == ExitCode.TRY_AGAIN
