"""The RPCs that ask about the future: Forecast, Headroom, ScheduleSnapshot.

The database is read in one transaction; what is computed from it runs in a worker thread outside
of it, so that a long answer holds up neither writers nor the event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import cast

from controller.cluster import owner_documents
from controller.cluster.forecast import inputs
from controller.cluster.forecast.forecaster import Forecaster, Wish
from controller.errors import InvalidInput, Problem
from controller.model import document
from controller.model.compute import Compute
from controller.model.flavor import ResourceFlavor
from controller.schedule import dump
from controller.store.database import Database
from controller.wire import cluster_pb2

PART = 256 * 1024
"""Bytes of a snapshot in one message."""


async def forecast(db: Database, cluster: str, request: cluster_pb2.ForecastRequest) -> cluster_pb2.ForecastReply:
    """Raises InvalidInput."""
    documents = owner_documents.parse("RegionService", [each.compute for each in request.services])
    bad = [
        Problem(f"[{number}]", f"is a {each.kind}") for number, each in enumerate(documents) if each.kind != "Compute"
    ]
    if bad:
        raise InvalidInput(bad)
    wishes = [
        Wish(cast(Compute, made), asked.replicas, asked.bound)
        for made, asked in zip(documents, request.services, strict=True)
    ]
    forecaster = await db.aread(partial(inputs.forecaster, cluster=cluster, wishes=wishes))
    return cluster_pb2.ForecastReply(forecasts=await asyncio.to_thread(_answers, forecaster, wishes))


async def headroom(db: Database, cluster: str, request: cluster_pb2.HeadroomRequest) -> cluster_pb2.HeadroomReply:
    """Raises InvalidInput."""
    flavors = [cast(ResourceFlavor, document.parse(json.loads(each))) for each in request.flavors]
    whole = await db.aread(partial(inputs.whole, cluster=cluster))
    report = await asyncio.to_thread(inputs.report, whole, flavors, everything=request.everything)
    return cluster_pb2.HeadroomReply(report=json.dumps(report).encode())


async def schedule_snapshot(db: Database, cluster: str) -> AsyncIterator[cluster_pb2.ScheduleSnapshotPart]:
    """In parts."""
    whole = await db.aread(partial(inputs.whole, cluster=cluster))
    data = await asyncio.to_thread(_saved, whole)
    for start in range(0, len(data), PART):
        yield cluster_pb2.ScheduleSnapshotPart(data=data[start : start + PART])


def _answers(forecaster: Forecaster, wishes: Sequence[Wish]) -> list[bytes]:
    return [json.dumps(forecaster.of(wish).render()).encode() for wish in wishes]


def _saved(whole: inputs.Outlook) -> bytes:
    return json.dumps(dump(whole.snapshot, present=whole.present)).encode()
