"""The RPCs about what would happen: Forecast, Headroom, ScheduleSnapshot.

The database is read in one transaction. The answer is computed in a worker thread outside of it, so
that a long computation delays neither writers nor the event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from functools import partial

from controller.cluster import owner_documents
from controller.cluster.forecast import inputs
from controller.cluster.forecast.forecaster import Forecaster, ServiceRequest
from controller.errors import InvalidInput, Problem
from controller.model import document
from controller.model.compute import Compute
from controller.model.flavor import ResourceFlavor
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource, T
from controller.schedule import dump
from controller.store.database import Database
from controller.wire import cluster_pb2

PART = 256 * 1024
"""Bytes of a snapshot in one message."""


async def forecast(db: Database, cluster: str, request: cluster_pb2.ForecastRequest) -> cluster_pb2.ForecastReply:
    """Return the forecasts of the services; raises InvalidInput."""
    documents = owner_documents.parse(REGION_SERVICE.name, [each.compute for each in request.services])
    computes = _only(Compute, documents)
    services = [
        ServiceRequest(made, sent.replicas, sent.bound) for made, sent in zip(computes, request.services, strict=True)
    ]
    forecaster = await db.aread(partial(inputs.forecaster, cluster=cluster, services=services))
    return cluster_pb2.ForecastReply(forecasts=await asyncio.to_thread(_answers, forecaster, services))


async def headroom(db: Database, cluster: str, request: cluster_pb2.HeadroomRequest) -> cluster_pb2.HeadroomReply:
    """Return how many more of each flavor fit; raises InvalidInput."""
    flavors = _only(ResourceFlavor, [document.parse(json.loads(each), stored=True) for each in request.flavors])
    known = await db.aread(partial(inputs.read_inputs, cluster=cluster))
    report = await asyncio.to_thread(inputs.report, known, flavors, everything=request.everything)
    return cluster_pb2.HeadroomReply(report=json.dumps(report).encode())


async def schedule_snapshot(db: Database, cluster: str) -> AsyncIterator[cluster_pb2.ScheduleSnapshotPart]:
    """Return a snapshot of the whole cluster, in parts."""
    known = await db.aread(partial(inputs.read_inputs, cluster=cluster))
    data = await asyncio.to_thread(_saved, known)
    for start in range(0, len(data), PART):
        yield cluster_pb2.ScheduleSnapshotPart(data=data[start : start + PART])


def _only(model: type[T], documents: Sequence[AnyResource]) -> list[T]:
    """Return the documents, which must be of one kind; raises InvalidInput that names the others."""
    found = [each for each in documents if isinstance(each, model)]
    if len(found) != len(documents):
        others = ((number, each) for number, each in enumerate(documents) if not isinstance(each, model))
        raise InvalidInput([Problem(f"[{number}]", f"is a {each.kind}") for number, each in others])
    return found


def _answers(forecaster: Forecaster, services: Sequence[ServiceRequest]) -> list[bytes]:
    return [json.dumps(forecaster.of(wanted).render()).encode() for wanted in services]


def _saved(known: inputs.ForecastInputs) -> bytes:
    return json.dumps(dump(known.snapshot, present=known.present)).encode()
