"""Options win over the environment, the environment over the user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli import config
from controller.cli.exit_codes import UsageProblem
from controller.cli.options import PARENTS


def _load(tmp_path: Path, text: str = "", env: dict[str, str] | None = None, **options: str | None) -> config.Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return config.load(options, PARENTS, {"RESOURCE_CONFIG": str(file), **(env or {})})


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    text = 'server = "http://file"\nregion = "file"\ncluster = "file"\n'
    found = _load(tmp_path, text, {"RESOURCE_SERVER": "http://env", "RESOURCE_REGION": "env"}, server="http://option/")
    assert found.server == "http://option"
    assert found.get("region") == "env"
    assert found.get("cluster") == "file"


def test_a_token_file_given_nearer_wins_over_a_token(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-file\n")
    assert _load(tmp_path, 'token = "from-config"', token_file=str(secret)).token == "from-file"
    nearer = _load(tmp_path, f'token_file = "{secret}"', {"RESOURCE_TOKEN": "from-env"})
    assert nearer.token == "from-env"


def test_an_unreadable_token_file_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"--token-file .*: No such file"):
        _ = _load(tmp_path, token_file=str(tmp_path / "none")).token


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"unknown key 'sever'"):
        _load(tmp_path, 'sever = "http://x"')


def test_a_broken_file_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"config\.toml: Invalid value"):
        _load(tmp_path, "server = ")


def test_the_file_lies_where_xdg_says() -> None:
    found = config.default_file({"XDG_CONFIG_HOME": "/x"})
    assert found == Path("/x/resource-service/config.toml")
