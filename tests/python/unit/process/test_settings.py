"""Settings of processes: file, environment, and one message per wrong setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controller.errors import InvalidInput
from controller.process.settings import DatabaseSettings, ElectionSettings, PeerSettings, ProcessSettings, load_settings


class Settings(ProcessSettings):
    """A role's settings."""

    database: DatabaseSettings
    api: PeerSettings | None = None
    election: ElectionSettings = ElectionSettings()


FILE = """
name = "resource-controller-1"
heartbeat_seconds = 2

[tls]
folder = "/var/lib/resource-service/tls"

[database]
url = "sqlite:////var/lib/resource-service/root.db"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "process.toml"
    path.write_text(FILE)
    return path


def test_a_file_is_enough(config: Path) -> None:
    settings = load_settings(Settings, config)
    assert settings.name == "resource-controller-1"
    assert settings.database.url.startswith("sqlite:")
    assert settings.heartbeat_seconds == 2
    assert settings.election.lease_seconds == 15


def test_the_environment_wins_and_reaches_into_parts(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESOURCE_NAME", "resource-controller-2")
    monkeypatch.setenv("RESOURCE_DATABASE__URL", "postgresql+psycopg://resource@db/root")
    monkeypatch.setenv("RESOURCE_API__TARGET", "unix:/run/api.sock")
    monkeypatch.setenv("RESOURCE_OF_ANOTHER_PROGRAM", "left alone")
    settings = load_settings(Settings, config)
    assert settings.name == "resource-controller-2"
    assert settings.database.url == "postgresql+psycopg://resource@db/root"
    assert settings.api == PeerSettings(target="unix:/run/api.sock")
    assert settings.tls.folder == Path("/var/lib/resource-service/tls")


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESOURCE_NAME", "rc-1")
    monkeypatch.setenv("RESOURCE_TLS__FOLDER", "/tls")
    monkeypatch.setenv("RESOURCE_DATABASE__URL", "sqlite:///root.db")
    assert load_settings(Settings, None).name == "rc-1"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", {"name", "tls", "database"}),
        (FILE + 'colour = "blue"\n', {"database.colour"}),
        (FILE.replace("heartbeat_seconds = 2", "heartbeat_secs = 2"), {"heartbeat_secs"}),
        (FILE.replace('"resource-controller-1"', '"Not A Name"'), {"name"}),
        (FILE.replace("= 2", "= 0"), {"heartbeat_seconds"}),
        ("name =", {""}),
    ],
)
def test_every_wrong_setting_is_named_at_once(config: Path, text: str, paths: set[str]) -> None:
    config.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_settings(Settings, config)
    assert {problem.path for problem in caught.value.problems} == paths


def test_a_missing_setting_says_how_to_set_it() -> None:
    with pytest.raises(InvalidInput, match="RESOURCE_DATABASE"):
        load_settings(Settings, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.toml"):
        load_settings(Settings, tmp_path / "nowhere.toml")


def test_every_setting_is_described() -> None:
    def fields(model: type[BaseModel], prefix: str = "") -> list[tuple[str, FieldInfo]]:
        found: list[tuple[str, FieldInfo]] = []
        for name, field in model.model_fields.items():
            found.append((prefix + name, field))
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                found += fields(field.annotation, f"{prefix}{name}.")
        return found

    known = fields(ProcessSettings)
    assert len(known) > 8
    assert [name for name, field in known if not field.description] == []


@pytest.mark.parametrize("setting", ["listen", "health", "endpoint"])
def test_a_socket_whose_path_is_too_long_is_refused_before_the_start(config: Path, setting: str) -> None:
    longest = f"unix:/{'f' * 106}"
    text = f'{setting} = "{longest}"' + config.read_text()
    config.write_text(text)
    load_settings(Settings, config)
    config.write_text(text.replace(longest, f"unix:/{'f' * 105}\u00e9"))
    with pytest.raises(InvalidInput, match=rf"{setting}.*at most 107 bytes, this one has 108"):
        load_settings(Settings, config)
