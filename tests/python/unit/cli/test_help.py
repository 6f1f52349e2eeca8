"""Every command says what it does, with an example that the command line itself accepts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from controller.cli import main


def _commands() -> Iterator[tuple[str, Any]]:
    root = typer.main.get_command(main.app)
    assert isinstance(root, TyperGroup)
    context = typer.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        yield name, command
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", subcommand


COMMANDS = dict(_commands())


def test_the_commands_of_the_issue_are_there() -> None:
    wanted = [
        "apply",
        "diff",
        "delete",
        "get",
        "describe",
        "watch",
        "scale",
        "rollback",
        "rebalance",
        "revisions",
        "start",
        "stop",
        "reboot",
        "migrate",
        "console",
        "cordon",
        "uncordon",
        "drain",
        "run",
        "up",
        "down",
        "backup",
        "restore",
        "lab up",
        "lab down",
        "lab status",
        "db upgrade",
        "token create",
        "token list",
        "token revoke",
        "join-token create",
    ]
    assert [name for name in wanted if name not in COMMANDS] == []


def test_the_table_of_commands_and_the_modules_agree() -> None:
    for name, module in main.COMMANDS.items():
        assert COMMANDS[name].name == name, module


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_does_with_an_example(name: str) -> None:
    text = COMMANDS[name].help
    what, _, example = text.partition("Example:")
    assert re.match(r"[A-Z][a-z]", what)
    assert what.split("\n\n")[0].rstrip().endswith((".", "cannot be shown again.")), what
    assert f"resourcectl {name}" in example


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_option_is_given(name: str) -> None:
    unexplained = [parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", "x")]
    assert unexplained == []


def _examples() -> Iterator[str]:
    for command in COMMANDS.values():
        for line in (command.help or "").partition("Example:")[2].splitlines():
            yield from (part.strip() for part in line.split("|") if part.strip().startswith("resourcectl"))


@pytest.mark.parametrize("line", sorted(set(_examples())))
def test_examples_are_accepted_by_the_parser(line: str) -> None:
    words = shlex.split(line)[1:]
    command: Any = typer.main.get_command(main.app)
    context = typer.Context(command)
    while hasattr(command, "list_commands"):
        name = words.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"no command {name}"
    command.make_context("x", words, resilient_parsing=False)


def test_help_lists_commands_in_groups() -> None:
    result = CliRunner().invoke(main.app, ["--help"])
    assert result.exit_code == 0
    for word in ("Documents", "Services", "Computes", "Nodes", "Access", "Servers", "Lab", "Exit codes"):
        assert word in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main.app, ["applly"])
    assert result.exit_code == 2
    assert "applly" in result.output


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("resourcectl roll", ["rollback"]),
        ("resourcectl get rac", ["rack", "racks"]),
        ("resourcectl token re", ["revoke"]),
    ],
)
def test_the_shell_completes_commands_and_kinds(words: str, offered: list[str]) -> None:
    environ = {"_RESOURCECTL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    result = CliRunner().invoke(main.app, prog_name="resourcectl", env=environ)
    assert result.stdout.split() == offered
