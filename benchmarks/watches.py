"""Watches: what 1,000 of them cost resource-api in memory, quiet and while changes are sent to all of them."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Iterator, Sequence

from benchmarks import documents
from benchmarks.figures import Figure
from benchmarks.site import Site, site
from controller.client import Client

WATCHES = 1000
SLOW = 100
CHANGES = 2000
SERVICES = 500
"""Of these, the watches of viewers, every second one, do not read the secrets."""
_QUIET_SECONDS = 2.0


def run(database: str) -> Iterator[Figure]:
    """Open the watches, then change something for all of them, then let some of them read nothing."""
    with site(database) as made:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * WATCHES), hard))
        made.start("resource-api")
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with made.client() as client:
            client.apply(documents.site(made.cluster_endpoint))
            client.apply([{"kind": "Region", "name": f"warm-{number}"} for number in range(500)])
            before = made.memory()["resource-api"]
            watchers = [_watch(made, (made.token, made.viewer_token)[number % 2]) for number in range(WATCHES)]
            time.sleep(_QUIET_SECONDS)
            quiet = made.memory()["resource-api"]
            yield Figure(f"memory for {WATCHES} quiet watches", database, quiet - before, "MiB")
            regions = [{"kind": "Region", "name": f"region-{number}"} for number in range(CHANGES)]
            yield _send(made, client, watchers[SLOW:], regions, database)
            busy = made.memory()["resource-api"]
            yield Figure(f"memory after it, {SLOW} of the watches read nothing", database, busy - before, "MiB")
            services = [{**documents.service(1), "name": f"service-{number}"} for number in range(SERVICES)]
            yield _send(made, client, watchers[SLOW:], services, database)
            for watcher in watchers:
                watcher.close()


def _send(
    made: Site, client: Client, watchers: Sequence[socket.socket], changes: list[documents.Document], database: str
) -> Figure:
    """Apply documents and read them from every watch."""
    cpu, begin = made.cpu_seconds("resource-api"), time.perf_counter()
    last = f"last-{changes[0]['kind'].lower()}"
    client.apply([*changes, {**changes[0], "name": last}])
    lines = _read_all(watchers, f'"name":"{last}"'.encode())
    seconds = time.perf_counter() - begin
    name = f"{len(changes)} {changes[0]['kind']} to {len(watchers)} watches, {lines} lines"
    return Figure(name, database, seconds, "s", note=f"{made.cpu_seconds('resource-api') - cpu:.1f} s of cpu")


def _watch(made: Site, token: str) -> socket.socket:
    """Open a watch of all kinds and read its first line."""
    connection = socket.create_connection(("127.0.0.1", made.rest_port))
    head = f"GET /v1/watch HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    received = b""
    while b"Bookmark" not in received:
        data = connection.recv(4096)
        if not data:
            raise RuntimeError(f"a watch was refused: {received[:500]!r}")
        received += data
    return connection


def _read_all(watchers: Sequence[socket.socket], last: bytes) -> int:
    """Read every watch until its last line; return the lines of all."""
    lines = 0
    with selectors.DefaultSelector() as selector:
        for watcher in watchers:
            watcher.setblocking(False)
            selector.register(watcher, selectors.EVENT_READ, [b""])
        waiting = len(watchers)
        while waiting:
            for key, _ in selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                data = sock.recv(1 << 16)
                if not data:
                    raise RuntimeError("a watch ended")
                lines += data.count(b'"verb"')
                tail = key.data[0] + data
                if last in tail:
                    selector.unregister(sock)
                    waiting -= 1
                key.data[0] = tail[-200:]
    return lines
