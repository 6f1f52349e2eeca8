"""The main loop of the root controller: reconciles services step by step, runs one link per cluster.

It runs only while this process is master, under the fence of that mastership: a write after the term was superseded
raises StaleTerm, which ends the run. The change feed and the reports of links wake it; everything is reconciled again
at an interval.

Design: H5
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

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
from controller.loop import BatchLoop, BatchResult, Outcome, log_outcome
from controller.model import registry
from controller.model.cluster import CLUSTER, Cluster
from controller.model.envelope import Status
from controller.model.image import IMAGE
from controller.model.node import NODE
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import Key, key_of, key_of_path
from controller.root.cluster_peer import ClusterPeer
from controller.root.placement import cluster_choice
from controller.root.reconcile import desired_state, security_groups, service_reconciler
from controller.root.reconcile.cluster_link import ClusterLink
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.cost_throttle import CostThrottle
from controller.root.reconcile.security_groups import GroupWatch
from controller.root.reconcile.service_reconciler import Next
from controller.store import changes, references, resources
from controller.store.changes import Change, Feed
from controller.store.database import Database, Fence, Transaction

RETRY_REFUSED = 10.0
"""Seconds until a service that was refused for lack of room or addresses is retried without being woken."""
LINKS_INTERVAL = 10.0
"""Seconds between reads of the list of clusters and of their free capacity."""


PeerOf = Callable[[Cluster], ClusterPeer]


class RootController:
    """The work of one mastership; ``run`` until it is cancelled or superseded."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        fence: Fence,
        clock: Clock,
        peer_of: PeerOf,
        report: Callable[[Outcome], None] = log_outcome,
    ) -> None:
        """``report`` receives the outcomes of all loops."""
        self._db = db
        self._feed = feed
        self._fence = fence
        self._clock = clock
        self._peer_of = peer_of
        self._report = report
        self._links: dict[str, ClusterLink] = {}
        self._endpoints: dict[str, str] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._refused: set[str] = set()
        self._throttle = CostThrottle(clock)
        self._group_watch = GroupWatch()
        self._links_changed = asyncio.Event()
        self._log = structlog.get_logger("root-controller")
        self.services = BatchLoop(
            "services",
            self._advance_all,
            clock=clock,
            keys=self._service_keys,
            gather=0.03,
            resync=60.0,
            report=report,
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
                with self._throttle.measure([path]):
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
        if step is Next.DELETED:
            self._throttle.forget(key.path)
            for link in self._links.values():
                link.sender.wake(desired_state.owner_name(key))

    async def _fail(self, key: Key[RegionService], status: Status, reason: str) -> None:
        await self._db.awrite(lambda tx: service_reconciler.fail(tx, key, status, reason), fence=self._fence)

    async def _choose(self, key: Key[RegionService]) -> tuple[str, str]:
        """Return the service's uid and the first candidate that accepts it.

        Raises NoRoom if all refuse, Unavailable if a call to one of them failed.
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
        """Wake the services and links that each change concerns."""
        while True:
            try:
                head = await self._db.aread(changes.head)
                self.services.wake(*await self._service_keys())
                for link in self._links.values():
                    link.sender.wake(*link.known_owners())
                async for news in self._feed.subscribe(head):
                    for change in news:
                        self._wake(change)
                    if any(registry.get(change.kind).defines_failure_domains for change in news):
                        self._wake_nodes()
                    await self._wake_groups(news)
                    await self._wake_image_users(news)
            except (VersionsGone, TemporaryError) as error:
                # The reader was too slow, or the database unreachable: start over with everything.
                self._log.info("changes lost", error=error.message)
                await self._clock.sleep(1.0)

    def _wake(self, change: Change) -> None:
        kind, row = registry.get(change.kind), change.resource
        owner = key_of(row)
        if isinstance(row, RegionService):
            self.services.wake(change.path)
        elif isinstance(row, Cluster) and row.spec.endpoint != self._endpoints.get(row.name, ""):
            self._links_changed.set()
        if service := kind.service_name(row):
            owner = REGION_SERVICE.key(*row.parent_names, service, project=row.project)
            self._wake_throttled(owner.path)
        if cluster := kind.cluster_name(row):
            self._wake_owner(cluster, desired_state.owner_name(owner))
        if kind.supplies_addresses:
            self.services.wake(*self._refused)

    def _wake_nodes(self) -> None:
        """Send all nodes again: their failure domains may have changed with the inventory."""
        for link in self._links.values():
            link.sender.wake(*(name for name in link.known_owners() if name.startswith(f"{NODE.name} ")))

    async def _wake_groups(self, news: Sequence[Change]) -> None:
        """Compare the SecurityGroups that the changes concern with what the clusters have."""
        if touched := self._group_watch.take(news):
            for name in await self._db.aread(lambda tx: security_groups.concerned(tx, touched)):
                for link in self._links.values():
                    link.wake(name)

    async def _wake_image_users(self, news: Sequence[Change]) -> None:
        """Wake the services of changed Images: their Computes get the new URLs."""
        keys = {key_of(change.resource) for change in news if change.kind == IMAGE.name}

        def users(tx: Transaction) -> set[str]:
            return {path for key in keys for path in references.paths_of_users(tx, REGION_SERVICE.name, key)}

        for path in await self._db.aread(users) if keys else ():
            self._wake_throttled(path)

    def _wake_throttled(self, path: str) -> None:
        """Wake a service of which a part changed: later, if its last reconcile took long."""
        self.services.wake(path, after=self._throttle.pause(path))

    def _wake_owner(self, cluster: str, owner: str) -> None:
        link = self._links.get(cluster)
        if link is not None:
            link.wake(owner)

    def _wake_observed(self, keys: Iterable[str]) -> None:
        """Wake the services of the keys that a link reports: parts that changed, owners whose state was applied."""
        service_of_name = {kind.name: kind.service_of_name for kind in registry.kinds()}
        for key in keys:
            kind, _, path = key.partition(" ")
            if (service := service_of_name.get(kind)) is not None:
                region, _, name = path.rpartition("/")
                self._wake_throttled(f"{region}/{service(name)}")

    # --- links

    async def _keep_links(self) -> None:
        """Run one link per cluster that has an endpoint; a changed endpoint gets a new link."""
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
        await self._update_capacities()

    async def _pause(self) -> None:
        """Wait for the interval, or for a change of the list of clusters."""
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
        link = ClusterLink(
            cluster.name,
            self._peer_of(cluster),
            self._db,
            self._fence,
            self._clock,
            self._wake_observed,
            self._report,
        )
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

    async def _update_capacities(self) -> None:
        for link in list(self._links.values()):
            try:
                await link.update_capacity()
            except StaleTerm:
                raise
            except ResourceError as error:
                self._log.info("capacity unknown", cluster=link.name, error=error.message)


def _candidates(tx: Transaction, key: Key[RegionService]) -> tuple[str, list[cluster_choice.Candidate]]:
    service = resources.get(tx, key)
    return service.uid, cluster_choice.candidates(tx, service)


def _superseded(error: BaseException) -> bool:
    """Return whether the error is or contains a StaleTerm."""
    if isinstance(error, BaseExceptionGroup):
        return any(_superseded(part) for part in error.exceptions)
    return isinstance(error, StaleTerm)
