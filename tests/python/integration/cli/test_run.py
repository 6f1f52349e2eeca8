"""``resourcectl run``: a process from its TOML file and environment; pki and the first token beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli.exit_codes import ExitCode
from tests.python.eventually import eventually
from tests.python.integration.cli.conftest import Shell

RESOURCECTL = str(Path(sys.executable).with_name("resourcectl"))


def _port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def config(empty_shell: Shell, url: str, tmp_path: Path) -> str:
    empty_shell.ok("pki", "init", str(tmp_path / "pki"), "--cluster", "tokyo1")
    return empty_shell.write(
        "resource-api.toml",
        f"""
name = "resource-api-1"
listen = "unix:{tmp_path}/api.sock"
health = "unix:{tmp_path}/health.sock"
[database]
url = "{url}"
[api]
port = {_port()}
[tls]
folder = "{tmp_path}/tls"
authority = "{tmp_path}/pki/scopes/root"
""",
    )


@contextlib.contextmanager
def _running(config: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [RESOURCECTL, "run", "resource-api", "--config", config],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.design("A1", "G1")
async def test_a_server_is_set_up_by_hand_and_ends_on_sigterm(
    empty_shell: Shell, config: str, url: str, tmp_path: Path
) -> None:
    empty_shell.ok("db", "upgrade", "--config", config)
    token = str(tmp_path / "admin.token")
    empty_shell.ok("token", "create", "admin", "--role", "admin", "--database", url, "--to-file", token)
    port = _port()
    with _running(config, RESOURCE_API__PORT=str(port)) as process:
        server = ("--server", f"http://127.0.0.1:{port}", "--token-file", token)

        def answers() -> bool:
            return empty_shell.run("get", "regions", *server).exit_code == ExitCode.DONE

        await eventually(answers)
        await eventually(lambda: "resource-api-1" in empty_shell.ok("get", "processes", *server))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_process_refuses_a_database_without_schema_and_says_what_to_do(config: str) -> None:
    with _running(config) as process:
        out, _ = process.communicate(timeout=120)
    # Its file may be on a file system that is mounted later, so a supervisor tries again.
    assert process.returncode == ExitCode.TRY_AGAIN
    assert "resourcectl db upgrade" in out.splitlines()[-1]


def test_every_bad_setting_is_named(empty_shell: Shell) -> None:
    file = empty_shell.write("bad.toml", 'name = "Bad Name"\nlisten_on = "x"\n[api]\nport = 70000\n')
    result = empty_shell.run("run", "resource-api", "--config", file)
    assert result.exit_code == ExitCode.INVALID
    paths = {line.removeprefix("error: ").split(":")[0] for line in result.stderr.splitlines()}
    assert paths == {"name", "listen_on", "api.port", "database", "tls"}


def test_plain_http_beyond_this_machine_is_refused(empty_shell: Shell, config: str) -> None:
    text = Path(config).read_text().replace("[api]", '[api]\nhost = "0.0.0.0"')
    result = empty_shell.run("run", "resource-api", "--config", empty_shell.write("open.toml", text))
    assert result.exit_code == ExitCode.INVALID
    assert "tls_certificate" in result.stderr


def test_authorities_are_made_once(empty_shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    lines = empty_shell.ok("pki", "init", str(folder), "--cluster", "tokyo1").splitlines()
    assert lines == [str(folder / "scopes" / "root"), str(folder / "scopes" / "cluster" / "tokyo1")]
    before = {path: path.read_bytes() for path in folder.rglob("*.pem")}
    assert empty_shell.ok("pki", "init", str(folder), "--cluster", "tokyo1").splitlines() == lines
    assert {path: path.read_bytes() for path in folder.rglob("*.pem")} == before
