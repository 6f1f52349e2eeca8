"""The watcher of double runs: it sees one, and takes no handover for one."""

from __future__ import annotations

import os

import libvirt
import pytest

from controller.agent.drivers.libvirt.names import domain_uuid
from controller.lab.guest import tiny_image
from controller.lab.settings import Node
from tests.python.end_to_end.vm.site import Site
from tests.python.end_to_end.vm.watcher import Watch, both_work, overlaps, watching


def every(seconds: float, begin: float, end: float) -> list[float]:
    return [begin + index * seconds for index in range(int((end - begin) / seconds) + 1)]


def test_times_in_common_are_seen_however_short() -> None:
    spans = {"one": [(0.0, 1.0), (1.0, 2.0)], "other": [(1.99, 3.0)]}
    ((places, seconds),) = overlaps(spans)
    assert places == ("one", "other")
    assert 0 < seconds < 0.02


def test_a_handover_has_no_time_in_common() -> None:
    assert list(overlaps({"one": [(0.0, 1.0)], "other": [(1.0, 2.0)], "third": [(5.0, 6.0)]})) == []


def test_two_copies_that_work_on_are_seen() -> None:
    ((places, seconds),) = both_work({"one": every(0.2, 0, 3), "other": every(0.3, 1, 4)})
    assert places == ("one", "other")
    assert seconds > 1.5


def test_a_handover_and_a_start_are_no_double_work() -> None:
    """The target's QEMU works for an instant when it starts, then after the source has stopped."""
    assert list(both_work({"one": every(0.2, 0, 3), "other": [1.0, 1.05, *every(0.2, 3.3, 5)]})) == []


def test_one_machine_at_one_place_is_fine_and_both_witnesses_count() -> None:
    watch = Watch()
    watch.ran("a", "one", 0, 2)
    for moment in every(0.1, 0, 2):
        watch.worked("a", "one", moment)
    assert watch.twice() == []
    watch.ran("a", "other", 1, 2)
    for moment in every(0.1, 1, 2):
        watch.worked("a", "other", moment)
    assert [each.witness for each in watch.twice()] == ["libvirt", "kernel"]


@pytest.mark.vm
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_a_second_copy_is_seen_by_both_witnesses(site: Site) -> None:
    """Started by hand on another node, under the UUID of a machine that runs: what must never be."""
    names = site.names()
    name = names[0]
    image = tiny_image()
    second = f"""
        <domain type="qemu">
          <name>second</name><uuid>{domain_uuid(site.compute(name)["uid"])}</uuid>
          <memory unit="MiB">128</memory><vcpu>1</vcpu>
          <os>
            <type arch="x86_64" machine="pc">hvm</type>
            <kernel>{image.kernel}</kernel><initrd>{image.initrd}</initrd><cmdline>{image.cmdline}</cmdline>
          </os>
        </domain>"""
    with pytest.raises(AssertionError, match="ran twice"):
        _run_until_seen(site, site.another_node(name), second)
    site.until_settled(len(names))


def _run_until_seen(site: Site, node: Node, xml: str) -> None:
    connect = libvirt.open(node.libvirt_uri)
    try:
        with watching(site.lab) as watch:
            domain = connect.createXML(xml)
            try:
                site.until(lambda: str({"libvirt", "kernel"} - {each.witness for each in watch.twice()} or ""))
            finally:
                domain.destroy()
    finally:
        connect.close()
