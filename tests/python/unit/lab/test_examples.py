"""What the examples say of the lab."""

from __future__ import annotations

from pathlib import Path

from controller.lab.lab import Lab
from controller.lab.plane import CLUSTER, ControlPlane
from controller.lab.settings import LabSettings
from controller.model import document

EXAMPLES = Path(__file__).parents[4] / "examples" / "tokyo"


def test_applying_the_examples_to_the_lab_of_make_up_keeps_its_cluster_reachable() -> None:
    raws = [raw for path in EXAMPLES.rglob("*.yaml") for raw in document.read(path.read_text())]
    (cluster,) = [raw for raw in raws if raw["kind"] == "Cluster"]
    assert cluster["name"] == CLUSTER
    assert cluster["spec"]["endpoint"] == ControlPlane(Lab(LabSettings())).cluster_endpoint
