"""The tarball as users get it: built, installed, and run from an empty folder, without the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.conftest import ROOT, Plays

Run = Callable[..., subprocess.CompletedProcess[str]]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    subprocess.run([str(ROOT / "scripts" / "collection-build.sh"), str(folder)], check=True, capture_output=True)
    (found,) = folder.glob("resource-infra-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def installed(tarball: Path) -> Path:
    """The folder of collections that the tarball is installed in."""
    folder = tarball.parent / "collections"
    command = [str(BIN / "ansible-galaxy"), "collection", "install", "--offline", "-p", str(folder), str(tarball)]
    environ = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_HOME": str(tarball.parent / "home")}
    subprocess.run(command, check=True, capture_output=True, env=environ, cwd=tarball.parent)
    return folder


@pytest.fixture
def run(installed: Path, plays: Plays, tmp_path: Path) -> Run:
    """Runs ansible-playbook in an empty folder; no settings of the checkout are read."""
    folder = tmp_path / "empty"
    folder.mkdir()
    environ = {key: value for key, value in plays.environ.items() if not key.startswith("ANSIBLE_")}
    environ |= {"ANSIBLE_COLLECTIONS_PATH": str(installed), "PWD": str(folder), "ANSIBLE_NOCOLOR": "1"}

    def started(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "ansible-playbook"), "-i", "localhost,", *words]
        env = {**environ, **more}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300)

    return started


def there(db: Database, kind: str) -> set[str]:
    return {one.name for one in db.read(lambda tx: resources.list_all(tx, kind))}


def ok(done: subprocess.CompletedProcess[str], changed: int) -> None:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"changed={changed} " in done.stdout, done.stdout


@pytest.mark.design("N7")
def test_the_site_is_created_from_an_empty_folder(run: Run, db: Database) -> None:
    ok(run("resource.infra.site", "--check", "--diff"), 1)
    assert there(db, "Region") == set()
    ok(run("resource.infra.site"), 1)
    assert there(db, "Region") == {"kanto"}
    assert there(db, "Image") == {"guest"}
    ok(run("resource.infra.site"), 0)


@pytest.mark.design("N7")
def test_own_documents_are_found_from_the_current_folder(run: Run, db: Database, tmp_path: Path) -> None:
    (tmp_path / "empty" / "my-site").mkdir()
    (tmp_path / "empty" / "my-site" / "region.yaml").write_text("kind: Region\nname: kansai\n")
    ok(run("resource.infra.site", "-e", "site=my-site"), 1)
    assert there(db, "Region") == {"kansai"}
    assert there(db, "Image") == set(), "the image belongs to the example"


@pytest.mark.design("N7")
def test_missing_variables_are_named(run: Run) -> None:
    for words, environ, message in (
        (("resource.infra.site", "-e", "site="), {}, "site: name a file or a folder of documents"),
        (("resource.infra.site", "-e", "site=nowhere"), {}, "the file or folder does not exist"),
        (("resource.infra.site",), {"RESOURCE_SERVER": ""}, "the environment variable RESOURCE_SERVER"),
        (("resource.infra.site",), {"RESOURCE_TOKEN_FILE": ""}, "the environment variable RESOURCE_TOKEN"),
        (("resource.infra.netbox",), {}, "Give -e netbox_mapping=FILE"),
        (("resource.infra.rolling", "-e", "rolling_hosts=localhost"), {}, "rolling_command: say what to run"),
    ):
        done = run(*words, **environ)
        assert done.returncode == 2, done.stdout + done.stderr
        assert message in done.stdout, done.stdout


def test_the_example_of_the_readme_runs(run: Run, db: Database, installed: Path, tmp_path: Path) -> None:
    readme = (installed / "ansible_collections" / "resource" / "infra" / "README.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (tmp_path / "empty" / "play.yml").write_text(example)
    ok(run("play.yml"), 3)
    assert there(db, "Rack") == {"floor-1-1-1-rack-1-1"}


def test_the_readme_is_that_of_the_collection_and_names_what_is_there(installed: Path) -> None:
    top = installed / "ansible_collections" / "resource" / "infra"
    readme = (top / "README.md").read_text()
    assert readme == (ROOT / "docs" / "collection.md").read_text()
    plugins = {
        path.stem
        for folder in ("modules", "lookup", "inventory", "filter")
        for path in (top / "plugins" / folder).glob("*")
    }
    plugins |= {path.stem for path in (top / "playbooks").glob("*.yml")} | {"batches", "sort_by_rack"}
    assert set(re.findall(r"`resource\.infra\.(\w+)`", readme)) <= plugins


def test_the_changelog_of_the_artifact_has_the_release(tarball: Path) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
        text = archive.extractfile("CHANGELOG.rst")
        assert text is not None
        changelog = text.read().decode()
    assert f"v{version}\n" in changelog
    assert "Nothing is released yet" not in changelog
    assert "changelogs/changelog.yaml" in names


def test_files_of_the_execution_environment_are_in_the_artifact(installed: Path) -> None:
    top = installed / "ansible_collections" / "resource" / "infra"
    wanted = yaml.safe_load((top / "meta" / "execution-environment.yml").read_text())
    assert wanted["version"] == 3
    assert all((top / name).is_file() for name in wanted["dependencies"].values())


def test_only_the_address_that_galaxy_demands_leads_nowhere() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert [key for key, value in galaxy.items() if isinstance(value, str) and "example.com" in value] == ["repository"]
