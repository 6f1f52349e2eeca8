"""The root controller's main loop (H5): services step by step, one link per cluster.

Runs only while this process is master, under that mastership's fence: a write after the term was
superseded raises StaleTerm, which ends the run. Woken by the change feed, and by links that saw
something; everything is looked at again at an interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from controller.clock import Clock
from controller.errors import (
    AddressesExhausted,
    NoRoom,
    NotFound,
    PermanentError,
    ResourceError,
    StaleTerm,
    TemporaryError,
    Unavailable,
    VersionsGone,
)
from controller.loop import BatchLoop, BatchResult
from controller.model.cluster import CLUSTER, Cluster
from controller.model.envelope import Status
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import Key, key_of, key_of_path
from controller.root.cluster_peer import ClusterPeer
from controller.root.placement import cluster_choice
from controller.root.reconcile import desired_state, service_reconciler
from controller.root.reconcile.cluster_link import ClusterLink
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.cost_throttle import Patience
from controller.root.reconcile.service_reconciler import Next
from controller.store import changes, resources
from controller.store.changes import Change, Feed
from controller.store.database import Database, Fence, Transaction

RETRY_REFUSED = 10.0
"""Seconds until a service that found no room or no address is tried again without being woken."""
LINKS_INTERVAL = 10.0
"""Seconds between looks at the list of clusters and at their free capacity."""


PeerOf = Callable[[Cluster], ClusterPeer]


class RootController:
    """All work of one mastership; ``run`` until cancelled or superseded."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        fence: Fence,
        clock: Clock,
        peer_of: PeerOf,
    ) -> None:
        self._db = db
        self._feed = feed
        self._fence = fence
        self._clock = clock
        self._peer_of = peer_of
        self._links: dict[str, ClusterLink] = {}
        self._endpoints: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._refused: set[str] = set()
        self._patience = Patience(clock)
        self._links_changed = asyncio.Event()
        self._log = structlog.get_logger("root-controller")
        self.services = BatchLoop(
            "services", self._advance_all, clock=clock, keys=self._service_keys, gather=0.03, resync=60.0
        )

    async def run(self) -> None:
        """Work until cancelled; raises StaleTerm (in an ExceptionGroup) when superseded."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.services.run())
                tasks.create_task(self._dispatch())
                tasks.create_task(self._keep_links())
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    # --- services

    async def _service_keys(self) -> list[str]:
        rows = await self._db.aread(lambda tx: resources.list_all(tx, REGION_SERVICE))
        return [key_of(row).path for row in rows]

    async def _advance_all(self, paths: frozenset[str]) -> BatchResult:
        special: dict[str, Exception | float] = {}
        for path in sorted(paths):
            self._refused.discard(path)
            try:
                with self._patience.looking([path]):
                    await self._advance(REGION_SERVICE.narrow(key_of_path(REGION_SERVICE.name, path)))
            except StaleTerm:
                raise
            except PermanentError:
                self._refused.add(path)
                special[path] = RETRY_REFUSED
            except ResourceError as error:
                special[path] = error
        return special

    async def _advance(self, key: Key[RegionService]) -> None:
        views: dict[str, ClusterView] = {name: link.view for name, link in self._links.items()}
        try:
            step = await self._db.awrite(lambda tx: service_reconciler.advance(tx, key, views), fence=self._fence)
            if step is Next.CHOOSE_CLUSTER:
                uid, chosen = await self._choose(key)
                await self._db.awrite(lambda tx: service_reconciler.assign(tx, key, uid, chosen), fence=self._fence)
                step = await self._db.awrite(lambda tx: service_reconciler.advance(tx, key, views), fence=self._fence)
        except StaleTerm:
            raise
        except (AddressesExhausted, NoRoom, NotFound) as error:
            await self._fail(key, Status.ERROR, error.message)
            raise
        except Unavailable as error:
            await self._fail(key, Status.INITIALIZING, error.message)
            raise
        if step is Next.GONE:
            self._patience.forget(key.path)
            for link in self._links.values():
                link.sender.wake(desired_state.owner_name(key))

    async def _fail(self, key: Key[RegionService], status: Status, reason: str) -> None:
        await self._db.awrite(lambda tx: service_reconciler.fail(tx, key, status, reason), fence=self._fence)

    async def _choose(self, key: Key[RegionService]) -> tuple[str, str]:
        """The service's uid and the first candidate that accepts it.

        Raises NoRoom when all refuse, Unavailable when one could not be asked.
        """
        uid, asked = await self._db.aread(lambda tx: _candidates(tx, key))
        answers: list[tuple[str, str]] = []
        unreachable = False
        for candidate in asked:
            name = candidate.cluster.name
            try:
                if not candidate.cluster.spec.endpoint:
                    raise Unavailable("has no endpoint")
                await self._peer_of(candidate.cluster).offer(candidate.computes)
                return uid, name
            except NoRoom as error:
                answers.append((name, error.message))
            except ResourceError as error:
                unreachable = True
                answers.append((name, error.message))
        reason = cluster_choice.refusal(key, answers)
        raise Unavailable(reason) if unreachable else NoRoom(reason)

    # --- waking

    async def _dispatch(self) -> None:
        """Wake what each change concerns."""
        while True:
            try:
                head = await self._db.aread(changes.head)
                self.services.wake(*await self._service_keys())
                for link in self._links.values():
                    link.sender.wake(*link.known_owners())
                async for news in self._feed.subscribe(head):
                    for change in news:
                        self._wake(change)
                    if any(change.kind == "PhysicalResource" for change in news):
                        self._wake_nodes()
            except (VersionsGone, TemporaryError) as error:
                # We were too slow, or the database was away: begin again with everything.
                self._log.info("changes lost", error=error.message)
                await self._clock.sleep(1.0)

    def _wake(self, change: Change) -> None:
        kind, path, row = change.kind, change.path, change.resource
        if kind == "RegionService":
            self.services.wake(path)
            self._wake_owner(str(row.observed.get("cluster", "")), f"{kind} {path}")
        elif kind in ("Compute", "Loadbalancer"):
            self._wake_service(row.project, row.parent_names[0], row.spec.service)
            service = Key("RegionService", row.project, (row.parent_names[0], row.spec.service))
            self._wake_owner(row.spec.cluster, desired_state.owner_name(service))
        elif kind == "Volume":
            self._wake_service(row.project, row.parent_names[0], row.spec.attachment.service)
        elif kind in ("Node", "JoinToken"):
            self._wake_owner(row.parent_names[0], f"{kind} {path}")
        elif kind == "Cluster" and row.spec.endpoint != self._endpoints.get(path, ""):
            self._links_changed.set()
        elif kind == "NetworkV4":
            self.services.wake(*self._refused)

    def _wake_nodes(self) -> None:
        """Failure domains may have changed with the inventory."""
        for link in self._links.values():
            link.sender.wake(*(name for name in link.known_owners() if name.startswith("Node ")))

    def _wake_service(self, project: str, region: str, name: str) -> None:
        self._wake_patiently(f"{project}/{region}/{name}")

    def _wake_patiently(self, path: str) -> None:
        """Something of a part of the service changed."""
        self.services.wake(path, after=self._patience.pause(path))

    def _wake_owner(self, cluster: str, owner: str) -> None:
        link = self._links.get(cluster)
        if link is not None:
            link.wake(owner)

    def _seen(self, words: Iterable[str]) -> None:
        """A link saw something of Computes, or an owner's wish taken in: look at the services again."""
        for word in words:
            kind, _, path = word.partition(" ")
            if kind in ("RegionService", "Loadbalancer"):
                self._wake_patiently(path)
            elif kind == "Compute":
                self._wake_patiently(path.rpartition("-")[0])

    # --- links

    async def _keep_links(self) -> None:
        """One running link per cluster that has an endpoint; a changed endpoint makes a new link."""
        while True:
            self._links_changed.clear()
            try:
                await self._match_links()
            except TemporaryError as error:
                self._log.info("clusters unknown", error=error.message)
            await self._pause()

    async def _match_links(self) -> None:
        rows = await self._db.aread(lambda tx: resources.list_all(tx, CLUSTER))
        wanted = {row.name: row for row in rows if row.spec.endpoint}
        for name in list(self._links):
            lost = self._running[name].done()
            if name not in wanted or wanted[name].spec.endpoint != self._endpoints[name] or lost:
                await self._drop(name)
        for name, cluster in wanted.items():
            if name not in self._links:
                self._connect(cluster)
        await self._note_capacities()

    async def _pause(self) -> None:
        """Wait for the interval, or for a change of the list."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(LINKS_INTERVAL)),
            asyncio.ensure_future(self._links_changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _connect(self, cluster: Cluster) -> None:
        link = ClusterLink(cluster.name, self._peer_of(cluster), self._db, self._fence, self._clock, self._seen)
        self._links[cluster.name] = link
        self._endpoints[cluster.name] = cluster.spec.endpoint
        self._running[cluster.name] = asyncio.create_task(link.run(), name=f"link {cluster.name}")
        self._log.info("link", cluster=cluster.name, endpoint=cluster.spec.endpoint)

    async def _drop(self, name: str) -> None:
        task = self._running.pop(name)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        del self._links[name], self._endpoints[name]
        if isinstance(ended, Exception):
            self._log.warning("link ended", cluster=name, error=repr(ended))
            if _superseded(ended):
                raise StaleTerm(f"the term {self._fence.term} was superseded")

    async def _note_capacities(self) -> None:
        for link in list(self._links.values()):
            try:
                await link.note_capacity()
            except StaleTerm:
                raise
            except ResourceError as error:
                self._log.info("capacity unknown", cluster=link.name, error=error.message)


def _candidates(tx: Transaction, key: Key[RegionService]) -> tuple[str, list[cluster_choice.Candidate]]:
    service = resources.get(tx, key)
    return service.uid, cluster_choice.candidates(tx, service)


def _superseded(error: BaseException) -> bool:
    """True when a StaleTerm is anywhere in the error."""
    if isinstance(error, BaseExceptionGroup):
        return any(_superseded(part) for part in error.exceptions)
    return isinstance(error, StaleTerm)
