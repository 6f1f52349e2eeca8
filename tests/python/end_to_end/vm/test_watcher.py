"""The watcher of double runs: it sees one, and takes no handover for one."""

from __future__ import annotations

from tests.python.end_to_end.vm.watcher import Watch, both_work, overlaps


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
    watch.running["a"]["one"].append((0, 2))
    watch.working["a"]["one"] += every(0.1, 0, 2)
    assert watch.twice() == []
    watch.running["a"]["other"].append((1, 2))
    watch.working["a"]["other"] += every(0.1, 1, 2)
    assert [each.witness for each in watch.twice()] == ["libvirt", "kernel"]
