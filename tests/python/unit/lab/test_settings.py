"""Names and addresses of a lab: all carry its id, none is another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from controller.lab.settings import LabSettings, Layout, tokyo_nodes


def test_every_place_has_a_link_of_its_own() -> None:
    layout = Layout(LabSettings(id="a", nodes=tokyo_nodes(6, 10)))
    links = [place.address for place in layout.places] + [place.gateway for place in layout.places]
    assert len(set(links)) == 2 * 61
    assert len(set(layout.namespaces)) == 62
    assert len({node.as_number for node in layout.nodes}) == 60


def test_namespaces_of_one_lab_are_not_taken_for_another_ones() -> None:
    one, other = Layout(LabSettings(id="a")), Layout(LabSettings(id="ab"))
    assert not [name for name in other.namespaces if name.startswith(one.prefix)]
    assert one.settings.state != other.settings.state


@pytest.mark.parametrize("bad", ["", "a-b", "A", "../x", "x" * 13])
def test_an_id_that_would_mix_labs_up_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        LabSettings(id=bad)


def test_settings_read_back_as_they_were() -> None:
    settings = LabSettings(id="x", folder=Path("/tmp/labs"), api_port=7001, nodes=tokyo_nodes(1, 1))
    assert LabSettings.model_validate_json(settings.model_dump_json()) == settings


def test_the_nodes_are_those_of_the_example_site() -> None:
    text = (Path(__file__).parents[4] / "examples" / "tokyo" / "nodes.yaml").read_text()
    named = [line.removeprefix("name: ") for line in text.splitlines() if line.startswith("name: ")]
    assert named == [node.name for node in LabSettings().nodes]
