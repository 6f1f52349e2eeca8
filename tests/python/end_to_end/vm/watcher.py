"""Watches that no virtual machine ever runs twice, not for an instant.

Two witnesses, both looked at every 50 ms:

- *libvirt*: a thread per node asks its libvirtd for the states of the domains. A domain that is
  RUNNING in two looks one after the other ran between them; two nodes whose times overlap ran it
  twice.
- *the kernel*: CPU time of the vCPU threads of every QEMU process, found without libvirt. The idle
  guest works several times a second; a paused one never does. Two processes of one machine that both
  work on, at the same time, ran it twice. This one sees on while a libvirtd is dead.

Not promised: that work of less than ``_LEAST_LOOKS`` looks is seen by the kernel's word alone: a
QEMU that starts works for an instant without running its guest.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.lab.lab import Lab
from controller.lab.settings import Node
from tests.python.end_to_end.vm import hypervisors

EVERY = 0.05
_FIND_EVERY = 0.25
_WORKS_NS = 50_000
_PAUSE = 0.6
"""Seconds without work after which a guest is not held to have run all the while."""
_LEAST_LOOKS = 3

Spans = Mapping[str, Sequence[tuple[float, float]]]
"""Times at which copies of one machine ran, by the place of the copy."""


@dataclass(frozen=True)
class Twice:
    """A machine that ran at two places at once."""

    witness: str
    uuid: str
    places: tuple[str, str]
    seconds: float


class Watch:
    """What was seen so far."""

    def __init__(self) -> None:
        self._running: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        self._working: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._lock = threading.Lock()

    def ran(self, uuid: str, place: str, begin: float, end: float) -> None:
        """libvirt: it ran there from ``begin`` to ``end``."""
        with self._lock:
            self._running[uuid][place].append((begin, end))

    def worked(self, uuid: str, place: str, at: float) -> None:
        """The kernel: its vCPUs worked there just before ``at``."""
        with self._lock:
            self._working[uuid][place].append(at)

    def twice(self) -> list[Twice]:
        """Machines that ran twice at once."""
        found = []
        with self._lock:
            for uuid, spans in self._running.items():
                found += [Twice("libvirt", uuid, places, seconds) for places, seconds in overlaps(spans)]
            for uuid, moments in self._working.items():
                found += [Twice("kernel", uuid, places, seconds) for places, seconds in both_work(moments)]
        return found


def overlaps(spans: Spans) -> Iterator[tuple[tuple[str, str], float]]:
    """Pairs of places with times in common, and how long in all."""
    for one, other in itertools.combinations(sorted(spans), 2):
        common = sum(
            max(0.0, min(end, other_end) - max(begin, other_begin))
            for begin, end in spans[one]
            for other_begin, other_end in spans[other]
        )
        if common > 0:
            yield (one, other), common


def both_work(moments: Mapping[str, Sequence[float]]) -> Iterator[tuple[tuple[str, str], float]]:
    """Pairs of places that both go on working at the same time, and how long."""
    for one, other in itertools.combinations(sorted(moments), 2):
        for mine, theirs in itertools.product(_stretches(moments[one]), _stretches(moments[other])):
            begin, end = max(mine[0], theirs[0]), min(mine[-1], theirs[-1])
            looks = [sum(begin <= moment <= end for moment in stretch) for stretch in (mine, theirs)]
            if end > begin and min(looks) >= _LEAST_LOOKS:
                yield (one, other), end - begin


def _stretches(moments: Sequence[float]) -> list[list[float]]:
    """Moments of work in groups without a long pause."""
    found: list[list[float]] = []
    for moment in moments:
        if found and moment - found[-1][-1] <= _PAUSE:
            found[-1].append(moment)
        else:
            found.append([moment])
    return found


@contextlib.contextmanager
def watching(lab: Lab) -> Iterator[Watch]:
    """Watch a lab; on leaving, fails when a machine ran twice."""
    watch, ended = Watch(), threading.Event()
    looks = dict.fromkeys(["kernel", *(node.name for node in lab.nodes)], 0)
    threads = [threading.Thread(target=_ask_libvirt, args=(node, watch, looks, ended)) for node in lab.nodes]
    threads.append(threading.Thread(target=_ask_kernel, args=(lab.layout.namespaces, watch, looks, ended)))
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert min(looks.values()) > 0, f"a witness saw nothing: {looks}"
    assert watch.twice() == [], "a machine ran twice at once"


def _ask_libvirt(node: Node, watch: Watch, looks: dict[str, int], ended: threading.Event) -> None:
    eyes = hypervisors.Eyes(node)
    ran: dict[str, float] = {}
    while not ended.wait(EVERY):
        begun = time.monotonic()
        states = eyes.states()
        answered = time.monotonic()
        if states is None:
            ran = {}
            continue
        looks[node.name] += 1
        running = {uuid for uuid, state in states.items() if state == hypervisors.RUNNING}
        for uuid in running & ran.keys():
            watch.ran(uuid, node.name, ran[uuid], begun)
        ran = dict.fromkeys(running, answered)
    eyes.close()


def _ask_kernel(names: Iterable[str], watch: Watch, looks: dict[str, int], ended: threading.Event) -> None:
    worked: dict[hypervisors.Guest, int] = {}
    find_at = 0.0
    while not ended.wait(EVERY):
        if time.monotonic() >= find_at:
            there = hypervisors.guests(names)
            worked = {guest: worked.get(guest, guest.worked() or 0) for guest in there}
            find_at = time.monotonic() + _FIND_EVERY
        for guest, before in worked.items():
            now = guest.worked()
            if now is None:
                continue
            if now - before >= _WORKS_NS:
                watch.worked(guest.uuid, f"{guest.namespace} {guest.pid}", time.monotonic())
            worked[guest] = now
        looks["kernel"] += 1
