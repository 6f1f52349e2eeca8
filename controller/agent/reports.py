"""Keeps the newest report of each resource, and which of them were not sent yet, for the session.

The session sends what changed since it last sent, batched over a few tens of milliseconds, and
everything at its start and at an interval. A resource that is neither on the node nor assigned is
reported Absent once more and then forgotten.

Reports are sent at least once: a report that was taken for sending when the stream ended is
covered by the full report that opens the next session.
"""

from __future__ import annotations

import asyncio

from controller.wire.agent_pb2 import ResourceReport

ABSENT = "Absent"


class Reports:
    """The newest reports by resource uid; ``changed`` is set while some were not sent."""

    def __init__(self) -> None:
        self._newest: dict[str, ResourceReport] = {}
        self._unsent: set[str] = set()
        self._removed: set[str] = set()
        self.changed = asyncio.Event()

    def put(self, report: ResourceReport) -> None:
        """Keep a report; it is sent if it differs from the last one."""
        uid = report.resource_uid
        self._removed.discard(uid)
        if self._newest.get(uid) != report:
            self._newest[uid] = report
            self._unsent.add(uid)
            self.changed.set()

    def remove(self, uid: str) -> None:
        """Report once that the resource is neither on the node nor assigned, then forget it."""
        last = self._newest.get(uid)
        if last is None:
            return
        if last.state != ABSENT or last.assignment:
            self.put(ResourceReport(resource_uid=uid, state=ABSENT))
        self._removed.add(uid)

    def get(self, uid: str) -> ResourceReport | None:
        """Return the newest report of the resource."""
        return self._newest.get(uid)

    def uids(self) -> list[str]:
        """Return the resources that have a report."""
        return list(self._newest)

    def take_changed(self) -> list[ResourceReport]:
        """Return the reports that were not sent; they count as sent from now on."""
        taken = [self._newest[uid] for uid in self._unsent]
        self._mark_sent()
        return taken

    def take_all(self) -> list[ResourceReport]:
        """Return all reports; they count as sent from now on."""
        taken = [report for uid, report in self._newest.items() if uid not in self._removed]
        self._mark_sent()
        return taken

    def _mark_sent(self) -> None:
        self._unsent.clear()
        self.changed.clear()
        for uid in self._removed:
            self._newest.pop(uid, None)
        self._removed.clear()
