"""Waiting for what was requested: progress on stderr, exit codes, servers that cannot be reached, Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import typer

from controller.cli import waiting
from controller.cli.config import Config
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.session import Session
from controller.cli.waiting import Progress, until_done
from controller.client import kinds
from controller.client.kinds import ResourceName
from controller.errors import NotFound, Unavailable

KEY = kinds.get("Rack").key("tokyo", "a")


class Answers(Session):
    """A session that gives one answer after another, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | BaseException) -> None:
        super().__init__(Config({}))
        self._answers: Iterator[dict[str, Any] | BaseException] = iter(answers)
        self._last = answers[-1]

    def get(self, key: ResourceName) -> dict[str, Any]:
        answer = next(self._answers, self._last)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL_SECONDS", 0)


def progress(item: object) -> Progress:
    if item is None:
        return Progress("deleted", done=True)
    assert isinstance(item, dict)
    return Progress(item["line"], done=item.get("done", False), failed=item.get("failed", False))


def lines(text: str) -> Sequence[str]:
    return text.splitlines()


def test_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    session = Answers({"line": "1 left"}, {"line": "1 left"}, {"line": "0 left", "done": True})
    assert until_done(session, [KEY], progress, 600).exit_code is ExitCode.DONE
    captured = capsys.readouterr()
    assert lines(captured.err) == ["a: 1 left", "a: 0 left"]
    assert captured.out == ""


def test_what_fails_ends_the_wait_with_an_error() -> None:
    assert until_done(Answers({"line": "x", "failed": True}), [KEY], progress, 600).exit_code is ExitCode.ERROR


def test_what_is_deleted_meanwhile_is_no_item() -> None:
    waited = until_done(Answers({"line": "Deleting"}, NotFound("a does not exist")), [KEY], progress, 600)
    assert waited.items == [None]
    assert waited.exit_code is ExitCode.DONE


def test_the_wait_is_over_when_its_time_is() -> None:
    assert until_done(Answers({"line": "x"}), [KEY], progress, 0).exit_code is ExitCode.TRY_AGAIN


def test_a_server_that_cannot_be_reached_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    session = Answers({"line": "1 left"}, Unavailable("cannot reach it"), {"line": "0 left", "done": True})
    assert until_done(session, [KEY], progress, 600).exit_code is ExitCode.DONE
    assert lines(capsys.readouterr().err) == ["a: 1 left", "a: cannot reach it", "a: 0 left"]


def test_ctrl_c_ends_the_wait_and_says_that_the_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as raised:
        until_done(Answers({"line": "x"}, KeyboardInterrupt()), [KEY], progress, 600)
    assert raised.value.exit_code is ExitCode.TRY_AGAIN
    assert "the work goes on" in capsys.readouterr().err


def test_only_a_terminal_waits_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert waiting.seconds_of(None, no_wait=False) is None
    assert waiting.seconds_of(5, no_wait=False) == 5
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert waiting.seconds_of(None, no_wait=False) == float("inf")
    assert waiting.seconds_of(0, no_wait=False) is None
    assert waiting.seconds_of(None, no_wait=True) is None
    with pytest.raises(UsageProblem):
        waiting.seconds_of(5, no_wait=True)
