"""Errors end in one line per problem and a documented exit code."""

from __future__ import annotations

import io

import pytest
import typer
from typer.testing import CliRunner

from controller import errors
from controller.cli import exit_codes, main
from controller.cli.exit_codes import ExitCode, UsageProblem


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ResourceError("the server failed"), ExitCode.ERROR),
        (errors.SchemaMismatch("run db upgrade"), ExitCode.ERROR),
        (UsageProblem("--server is needed"), ExitCode.USAGE),
        (errors.NotFound("Rack a"), ExitCode.NOT_FOUND),
        (errors.Conflict("taken"), ExitCode.REFUSED),
        (errors.PreconditionFailed("stale"), ExitCode.REFUSED),
        (errors.Unauthenticated("who?"), ExitCode.REFUSED),
        (errors.Forbidden("no"), ExitCode.REFUSED),
        (errors.NoRoom("full"), ExitCode.REFUSED),
        (errors.InvalidInput([errors.Problem("a", "b")]), ExitCode.INVALID),
        (errors.TooLarge("too big"), ExitCode.INVALID),
        (errors.Unavailable("away"), ExitCode.TRY_AGAIN),
        (errors.TimedOut("late"), ExitCode.TRY_AGAIN),
    ],
)
def test_exit_code_of_an_error(error: errors.ResourceError, code: ExitCode) -> None:
    assert exit_codes.report(error, io.StringIO()) == code


def test_each_bad_field_has_its_line() -> None:
    out = io.StringIO()
    problems = [errors.Problem("spec.replicas", "must be above 0"), errors.Problem("spec.colour", "unknown field")]
    exit_codes.report(errors.InvalidInput(problems), out)
    assert out.getvalue() == "error: spec.replicas: must be above 0\nerror: spec.colour: unknown field\n"


def test_users_of_what_is_to_be_deleted_are_listed_and_the_rest_counted() -> None:
    out = io.StringIO()
    exit_codes.report(errors.Conflict("Rack a is in use", users=["Node a", "Node b"], user_count=7), out)
    assert out.getvalue() == "error: Rack a is in use\n  used by Node a\n  used by Node b\n  and 5 more\n"


def test_reasons_for_no_room_are_counted() -> None:
    out = io.StringIO()
    exit_codes.report(errors.NoRoom("no node fits", {"is cordoned": 2, "has too few vcpus": 3}), out)
    assert out.getvalue() == "error: no node fits\n  3 x has too few vcpus\n  2 x is cordoned\n"


def test_a_command_without_a_server_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("RESOURCE_CONFIG", f"{tmp_path}/none.toml")
    monkeypatch.delenv("RESOURCE_SERVER", raising=False)
    result = CliRunner().invoke(main.app, ["get", "nodes"])
    assert result.exit_code == ExitCode.USAGE
    assert "RESOURCE_SERVER" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_unknown_kind_names_the_known_ones() -> None:
    result = CliRunner().invoke(main.app, ["get", "gadgets", "--server", "http://127.0.0.1:9"])
    assert result.exit_code == ExitCode.USAGE
    assert "region_service" in result.stderr


def test_exit_is_raised_for_the_shell() -> None:
    group = typer.main.get_command(main.app)
    with pytest.raises(SystemExit) as ended:
        group(["get", "gadgets", "--server", "http://127.0.0.1:9"], prog_name="resourcectl")
    assert ended.value.code == ExitCode.USAGE


def test_a_problem_neither_acts_on_the_terminal_nor_forges_another() -> None:
    stream = io.StringIO()
    exit_codes.report(errors.Conflict("taken \x1b[2J\nerror: forged", users=["Rack \u202ea"], user_count=1), stream)
    assert stream.getvalue() == "error: taken \\x1b[2J\n    error: forged\n  used by Rack \\u202ea\n"
