"""The one reconcile loop that every controller and agent runs in.

``Loop`` works key by key, ``BatchLoop`` takes all keys that are due together. Both are woken by
changes, go over everything at an interval, back off per key, and report outcomes as values.
"""

from controller.loop.backoff import Backoff
from controller.loop.batch import BatchLoop, BatchResult
from controller.loop.outcome import Outcome, Verdict, log_outcome
from controller.loop.single import Loop

__all__ = ["Backoff", "BatchLoop", "BatchResult", "Loop", "Outcome", "Verdict", "log_outcome"]
