"""``apply`` warns of what somebody else has changed since the last apply from here, and never fails because of that."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from controller.cli.exit_codes import ExitCode
from tests.python.integration.cli.conftest import TOKYO, Shell

REGION = "kind: Region\nname: kanto\nlabels: {{env: {}, tier: {}}}\n"


def elsewhere(shell: Shell) -> Shell:
    """The same user on another machine."""
    return Shell(shell.folder, {**shell.environ, "XDG_STATE_HOME": str(shell.folder / "elsewhere")})


def state(shell: Shell) -> list[Path]:
    return sorted(Path(str(shell.environ["XDG_STATE_HOME"])).rglob("*.json"))


def applied(shell: Shell, env: str, tier: str, *options: str) -> tuple[int, str]:
    """Apply the region with these labels; the exit code and what stands on stderr."""
    done = shell.run("apply", "-f", "-", *options, stdin=REGION.format(env, tier))
    return done.exit_code, done.stderr


def test_what_nobody_else_has_changed_is_applied_without_a_warning(shell: Shell) -> None:
    assert applied(shell, "lab", "one") == (0, "")
    assert applied(shell, "live", "one") == (0, "")
    assert applied(shell, "live", "one") == (0, "")


def test_a_change_by_somebody_else_is_named_before_it_is_overwritten(shell: Shell) -> None:
    applied(shell, "lab", "one")
    applied(elsewhere(shell), "live", "one")
    file = shell.write("region.yaml", REGION.format("lab", "two"))
    for words in (("apply", "--dry-run"), ("diff",), ("plan",), ("apply",)):
        warning = shell.run(*words, "-f", file).stderr
        assert warning.startswith(
            "warning: Region kanto was changed since it was last applied from here (last written by admin at 20"
        ), words
        assert warning.endswith("Z); the documents overwrite labels.env\n"), words
    assert applied(shell, "lab", "two") == (0, ""), "it was applied from here"


def test_a_change_that_the_documents_have_too_is_no_warning(shell: Shell) -> None:
    applied(shell, "lab", "one")
    applied(elsewhere(shell), "live", "one")
    assert applied(shell, "live", "two") == (0, "")


def test_if_unchanged_refuses_to_overwrite(shell: Shell) -> None:
    applied(shell, "lab", "one")
    applied(elsewhere(shell), "live", "one")
    code, told = applied(shell, "lab", "two", "--if-unchanged")
    assert code == ExitCode.REFUSED
    assert told.endswith("error: somebody else has changed what the documents overwrite: nothing was written\n")
    assert shell.ok("get", "region", "kanto", "-o", "jsonpath={.labels.env}").strip() == "live"


def test_a_field_that_a_newer_server_has_filled_is_no_change(shell: Shell) -> None:
    """The record is of a client that did not know the field; the documents of the present one set it."""
    applied(shell, "lab", "one")
    (file,) = state(shell)
    known = json.loads(file.read_text())
    del known["spec.description"]
    file.write_text(json.dumps(known))
    document = REGION.format("lab", "one") + "spec: {description: Kanto}\n"
    assert shell.run("apply", "-f", "-", stdin=document).stderr == ""
    elsewhere(shell).run("apply", "-f", "-", stdin=document.replace("Kanto", "East"))
    assert "overwrite spec.description" in shell.run("apply", "-f", "-", stdin=document).stderr


def test_files_are_the_users_own_and_hold_no_values(shell: Shell) -> None:
    applied(shell, "s3cret", "one")
    (file,) = state(shell)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret" not in file.read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', '{"labels.env": 3}', "\x00"])
def test_a_damaged_file_never_fails_an_apply(shell: Shell, content: str) -> None:
    applied(shell, "lab", "one")
    (file,) = state(shell)
    file.write_text(content)
    code, told = applied(shell, "live", "one")
    assert code == 0
    assert "error" not in told


def test_a_state_folder_that_cannot_be_written_never_fails_an_apply(shell: Shell) -> None:
    shell.environ["XDG_STATE_HOME"] = shell.write("no-folder", "")
    assert applied(shell, "lab", "one") == (0, "")
    assert applied(shell, "live", "one") == (0, "")


def test_a_whole_site_is_applied_and_changed_without_a_false_warning(tokyo: Shell) -> None:
    """Defaults, lists without an order and numbers are not taken for changes by others; secrets are not kept."""
    web = (TOKYO / "web.yaml").read_text()
    assert tokyo.run("apply", "-f", str(TOKYO)).stderr == ""
    changed = web.replace("replicas: 3", "replicas: 5").replace("flavor: small", "flavor: small\n    user_data: s3cret")
    assert tokyo.run("apply", "-f", "-", stdin=changed).stderr == ""
    assert tokyo.run("apply", "-f", "-", stdin=web).stderr == ""
    tokyo.ok("apply", "-f", "-", stdin=changed)
    assert "s3cret" not in "".join(file.read_text() for file in state(tokyo))
