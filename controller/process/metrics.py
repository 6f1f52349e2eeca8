"""Metrics that every process has, in a registry of its own (nothing is global)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from controller.loop import Outcome


class Metrics:
    """The common metrics; roles add theirs to ``registry``."""

    def __init__(self, *, process: str, name: str, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        Info("resource_process", "Which process this is.", registry=self.registry).info(
            {"kind": process, "name": name, "version": version}
        )
        self._calls = Histogram(
            "resource_rpc_seconds",
            "Seconds per finished gRPC call that was served.",
            ["method", "status"],
            registry=self.registry,
            buckets=(0.002, 0.01, 0.05, 0.2, 1, 5, 30),
        )
        self._outcomes = Counter(
            "resource_loop_outcomes", "Attempts of the reconcile loops.", ["loop", "verdict"], registry=self.registry
        )
        self._limits = Counter(
            "resource_limits_reached", "Times that a client met a limit.", ["limit"], registry=self.registry
        )
        self.master = Gauge("resource_master", "1 while this process is master.", registry=self.registry)
        self.term = Gauge("resource_master_term", "Term of the last mastership.", registry=self.registry)
        self.certificate_end = Gauge(
            "resource_certificate_end_seconds", "When the certificate ends, seconds since 1970.", registry=self.registry
        )
        self.quarantine = Gauge(
            "resource_quarantine_bytes",
            "What the disks that an agent keeps aside take of its node; 0 for other processes.",
            registry=self.registry,
        )
        self.heartbeats = Counter(
            "resource_heartbeats", "Updates of the own ServiceProcess.", ["result"], registry=self.registry
        )

    def call(self, method: str, status: str, seconds: float) -> None:
        """Count a served call (``rpc.RpcServer``'s observer)."""
        self._calls.labels(method, status).observe(seconds)

    def limit_reached(self, limit: str) -> None:
        """Count that a client met the limit of that name."""
        self._limits.labels(limit).inc()

    def outcome(self, outcome: Outcome) -> None:
        """Count an attempt of a loop."""
        self._outcomes.labels(outcome.loop, outcome.verdict.value).inc()
