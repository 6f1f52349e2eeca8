"""Documents come from files, folders and standard input; problems name their place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from controller.cli import documents
from controller.cli.exit_codes import UsageProblem
from controller.errors import InvalidInput

REGION = "kind: Region\nname: {}\n"


def test_a_folder_gives_its_files_in_order_with_sub_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.yaml").write_text(REGION.format("b1") + "---\n" + REGION.format("b2"))
    (tmp_path / "a.json").write_text('{"kind": "Region", "name": "a"}')
    (tmp_path / "sub" / "c.yml").write_text(REGION.format("c"))
    (tmp_path / "notes.txt").write_text("not a document")
    names = [source.raw["name"] for source in documents.read([str(tmp_path)])]
    assert names == ["a", "b1", "b2", "c"]


def test_a_dash_is_standard_input() -> None:
    (source,) = documents.read(["-"], io.StringIO(REGION.format("a")))
    assert source.place == "standard input[0]"


def test_every_problem_names_file_document_and_field(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "kind: Region\nname: kanto\nspec: {colour: red}\n---\nkind: Rack\nname: r1\ndatacenter: tokyo\n"
        "spec: {floor: f, height_units: tall}\n---\nname: nothing\n"
    )
    with pytest.raises(InvalidInput) as caught:
        documents.check(documents.read([str(file)]))
    lines = [str(problem) for problem in caught.value.problems]
    assert lines[0] == f"{file}[0] Region kanto: spec.colour: unknown field"
    assert lines[1].startswith(f"{file}[1] Rack r1: spec.height_units: ")
    assert lines[2] == f"{file}[2]: kind: is required"


def test_text_that_is_no_yaml_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("kind: Region\nname: [\n")
    with pytest.raises(InvalidInput) as caught:
        documents.read([str(file)])
    assert str(caught.value.problems[0]).startswith(f"{file}: line ")


def test_a_missing_file_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"-f .*none\.yaml: No such file or directory"):
        documents.read([str(tmp_path / "none.yaml")])


def test_an_empty_folder_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no documents found"):
        documents.read([str(tmp_path)])


def test_standard_input_that_is_not_utf_8_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match="-f -: is not UTF-8 text"):
        documents.read(["-"], io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
