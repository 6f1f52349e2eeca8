"""The heart of the matter: whatever breaks while a Compute moves, never two copies run.

A state machine tries orders of steps, faults and losses that nobody would think of; in the end
everything is let run, and exactly one machine, one owner and one share of capacity must be there.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controller.model.compute import OnNodeDown
from tests.python.unit.cluster.simulation import NODES, World

nodes = st.sampled_from(NODES)


class Moves(RuleBasedStateMachine):
    """Steps of the controller, agents and hypervisors, and everything that goes wrong between them."""

    world: World
    disasters: bool

    @initialize(
        on_node_down=st.sampled_from(list(OnNodeDown)),
        begun=st.sampled_from(["running", "asked", "sending", "arrived"]),
        disasters=st.booleans(),
    )
    def begin(self, on_node_down: OnNodeDown, begun: str, disasters: bool) -> None:
        """Begin at the interesting places as well: chance alone seldom comes that far."""
        self.disasters = disasters
        self.world = World(on_node_down)
        self.world.settle()
        assert len(self.world.running()) == 1
        if begun != "running":
            self.world.ask_to_migrate()
        if begun in ("sending", "arrived"):
            self.world.begin_to_send()
        if begun == "arrived":
            self.world.progress(self.world.jobs[0])

    @rule()
    def control(self) -> None:
        self.world.control()

    @rule(node=nodes)
    def deliver_assignments(self, node: str) -> None:
        if self.world.nodes[node].state != "Down":
            self.world.deliver_assignments(node)

    @rule(node=nodes)
    def act(self, node: str) -> None:
        if self.world.nodes[node].state != "Down":
            self.world.act(node)

    @rule(node=nodes)
    def handle_all_of_a_node(self, node: str) -> None:
        if self.world.nodes[node].state != "Down":
            self.world.deliver_assignments(node)
            self.world.act(node)
            while self.world.reports:
                self.world.deliver_report(0)
            self.world.control()

    @precondition(lambda self: self.world.reports)
    @rule(data=st.data(), keep=st.booleans())
    def deliver_a_report(self, data: Any, keep: bool) -> None:
        self.world.deliver_report(data.draw(st.integers(0, len(self.world.reports) - 1)), keep=keep)

    @precondition(lambda self: self.world.reports)
    @rule(data=st.data())
    def lose_a_report(self, data: Any) -> None:
        self.world.reports.pop(data.draw(st.integers(0, len(self.world.reports) - 1)))

    @precondition(lambda self: self.world.compute)
    @rule(to=st.none() | nodes)
    def ask_to_migrate(self, to: str | None) -> None:
        self.world.ask_to_migrate(to)

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data())
    def go_on_with_a_job(self, data: Any) -> None:
        self.world.progress(data.draw(st.sampled_from(self.world.jobs)))

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data(), how=st.sampled_from(["copy", "source at finish", "both", "definition left"]))
    def kill_a_hypervisor(self, data: Any, how: str) -> None:
        self.world.fail_job(data.draw(st.sampled_from(self.world.jobs)), how)

    @rule(node=nodes)
    def kill_an_agent(self, node: str) -> None:
        self.world.crash_agent(node)

    @precondition(lambda self: self.disasters and not self.world.lost_host and self.world.compute)
    @rule(node=nodes)
    def lose_a_node_for_good(self, node: str) -> None:
        self.world.forget(node)

    @rule(node=nodes, state=st.sampled_from(["Up", "Unknown"]))
    def see_a_node(self, node: str, state: str) -> None:
        if self.world.nodes[node].state != "Down":
            self.world.nodes[node].state = state

    @precondition(lambda self: self.disasters and self.world.compute)
    @rule()
    def delete(self) -> None:
        assert self.world.compute is not None
        if not self.world.compute.status.startswith("Deleting"):
            self.world.compute.status = "Deleting"

    @invariant()
    def never_two_and_nothing_leaked(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        world = self.world
        for node in world.nodes.values():
            node.state = "Up" if node.state == "Unknown" else node.state
        world.settle()
        compute = world.compute
        if compute is None:
            assert world.assignments == {}
            assert world.claims == {}
            assert set(world.hosts.values()) == {None}
        elif compute.status == "Error" and world.lost_host and compute.spec.on_node_down is OnNodeDown.NONE:
            assert world.running() == []
        else:
            assert compute.status == "Active"
            (assignment,) = world.assignments.values()
            assert world.running() == [assignment.spec.node]
            assert compute.observed["node"] == assignment.spec.node
            assert [name for name, machine in world.hosts.items() if machine] == [assignment.spec.node]


Moves.TestCase.settings = settings(max_examples=300, stateful_step_count=30, suppress_health_check=list(HealthCheck))
TestMoves = pytest.mark.design("D5", "E1", "I1")(Moves.TestCase)
