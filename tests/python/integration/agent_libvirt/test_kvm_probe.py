"""The probe boot, under the emulation that every machine has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.agent.host import kvm
from controller.lab.guest import tiny_image

pytestmark = [pytest.mark.vm, pytest.mark.design("E1")]


def test_a_kernel_that_looks_for_its_root_is_proof() -> None:
    assert kvm.boots(tiny_image().kernel, "tcg", seconds=60)


def test_no_kernel_or_no_time_is_none(tmp_path: Path) -> None:
    rubbish = tmp_path / "kernel"
    rubbish.write_bytes(b"\0" * 4096)
    assert not kvm.boots(rubbish, "tcg", seconds=10)
    assert not kvm.boots(tiny_image().kernel, "tcg", seconds=0.2)


def test_without_the_device_or_a_kernel_nothing_is_probed(tmp_path: Path) -> None:
    assert kvm.accelerator(tmp_path, device=tmp_path / "none") == "tcg"
    assert kvm.accelerator(tmp_path, tmp_path / "none", device=tmp_path) == "tcg"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("found", [True, False])
def test_the_answer_is_kept_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    asked: list[str] = []

    def boots(kernel: Path, accel: str) -> bool:
        asked.append(accel)
        return found

    monkeypatch.setattr(kvm, "boots", boots)
    kernel = tmp_path / "kernel"
    kernel.touch()
    expected = "kvm" if found else "tcg"
    for _ in range(2):
        assert kvm.accelerator(tmp_path / "state", kernel, device=tmp_path) == expected
    assert asked == ["kvm"]
    (tmp_path / "state/accelerator.json").write_text(json.dumps({"half": "a file"}))
    assert kvm.accelerator(tmp_path / "state", kernel, device=tmp_path) == expected
    assert asked == ["kvm", "kvm"]
