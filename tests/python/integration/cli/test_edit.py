"""edit, with a script in place of the user's editor."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from controller.cli.exit_codes import ExitCode
from tests.python.integration.cli.conftest import Shell


@pytest.fixture
def editor(tokyo: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose editor runs the Python code in ``edit.py`` on the text, in the order of its numbers."""
    script = tokyo.write("edit.py", "import sys, pathlib\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {shlex.quote(script)}")
    monkeypatch.setenv("TMPDIR", str(tokyo.folder))
    monkeypatch.setattr("tempfile.tempdir", str(tokyo.folder))
    return tokyo


def script(shell: Shell, code: str) -> None:
    head = "import sys, pathlib, re\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n"
    shell.write("edit.py", f"{head}{code}\nfile.write_text(text)\n")


def kept(shell: Shell) -> list[Path]:
    return sorted(shell.folder.glob("RegionService-*.yaml"))


def replicas(shell: Shell) -> int:
    found: int = json.loads(shell.ok("get", "service", "web", "-o", "json"))["spec"]["replicas"]
    return found


def test_the_change_is_shown_asked_for_and_applied(editor: Shell) -> None:
    script(editor, "text = text.replace('replicas: 3', 'replicas: 4')")
    refused = editor.run("edit", "service", "web", stdin="n\n")
    assert "spec.replicas: 3 -> 4" in refused.output
    assert "nothing was changed" in refused.stdout
    assert replicas(editor) == 3
    (file,) = kept(editor)
    assert "replicas: 4" in file.read_text(), "the user's text is lost only when it was applied"
    assert str(file) in refused.stderr
    file.unlink()
    assert editor.run("edit", "service", "web", stdin="y\n").exit_code == ExitCode.DONE
    assert replicas(editor) == 4
    script(editor, "text = text.replace('replicas: 4', 'replicas: 5')")
    editor.ok("edit", "svc/kanto/web", "-y")
    assert replicas(editor) == 5
    assert kept(editor) == []


def test_a_text_without_change_writes_nothing(editor: Shell) -> None:
    script(editor, "pass")
    assert editor.ok("edit", "service", "web") == "nothing was changed\n"
    script(editor, "text = ''")
    assert editor.ok("edit", "service", "web") == "nothing was changed\n"
    assert kept(editor) == []


def test_a_refused_text_is_opened_again_with_the_errors(editor: Shell) -> None:
    script(
        editor,
        "text = text.replace('replicas: 0', 'replicas: 6') if 'replicas: 0' in text and text.startswith('# ')"
        " else text.replace('replicas: 3', 'replicas: 0')",
    )
    editor.ok("edit", "service", "web", "-y")
    assert replicas(editor) == 6


@pytest.mark.parametrize(
    "code",
    [
        "text = text.replace('replicas: 3', 'replicas: 0')",
        "text = text.replace('replicas: 3', 'replicsa: 3')",
        "text = text.replace('name: web', 'name: other')",
        "text = text.replace('flavor: small', 'flavor: nowhere')",
        "text = 'a: [b'",
        "text = text + '---\\n' + text",
    ],
)
def test_a_user_who_gives_up_keeps_the_text(editor: Shell, code: str) -> None:
    script(editor, f"if not text.startswith('# '):\n    {code}")
    result = editor.run("edit", "service", "web", "-y")
    assert result.exit_code == ExitCode.INVALID
    (file,) = kept(editor)
    assert f"your text is in {file}" in result.stderr
    assert replicas(editor) == 3


def test_a_change_by_somebody_else_is_not_overwritten(editor: Shell) -> None:
    other = shlex.quote(f"{sys.executable} -m controller.cli scale web 7")
    environ = {key: value for key, value in editor.environ.items() if value}
    script(
        editor,
        f"import subprocess, os, shlex\nsubprocess.run(shlex.split({other!r}.strip(chr(39))), check=True, "
        f"env={{**os.environ, **{environ!r}}}, stdout=subprocess.DEVNULL)\n"
        "text = text.replace('replicas: 3', 'replicas: 4')",
    )
    result = editor.run("edit", "service", "web", "-y")
    assert result.exit_code == ExitCode.REFUSED
    assert replicas(editor) == 7
    (file,) = kept(editor)
    assert "replicas: 4" in file.read_text()


def test_an_editor_that_fails_or_does_not_exist_changes_nothing(editor: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    script(editor, "sys.exit(3)")
    result = editor.run("edit", "service", "web")
    assert result.exit_code == ExitCode.USAGE
    assert re.search(r"exit code 3", result.stderr)
    monkeypatch.setenv("VISUAL", "/nonexistent/editor")
    assert editor.run("edit", "service", "web").exit_code == ExitCode.USAGE
    assert replicas(editor) == 3
