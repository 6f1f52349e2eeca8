"""A small model of what a cluster's controllers do to its books, step by step, with placement in the middle.

``Site`` takes the steps on the books (``churn_books``), which hold what a database would. Every pass makes a
snapshot of them, places, and writes what came out. ``churn_checks`` looks at everything again after each step.

What is said of prefixes, honestly. Placement goes by index and takes what is best with what stands at that moment:

- At once: no node that could have been taken would have been better (``_judge``). Of a fresh service without
  hard rules every prefix is, over the first axis, as even as the room of each domain allows.
- Later: a scale-down takes the tail, so what was said of the prefixes that are left stays true, and is checked
  again after every step; a scale-up adds to it. That is so until one of the service is moved, lost,
  or deleted from the middle, or one is placed under an index below others: from then on each new one
  still goes where it is best with all that stand, but nothing is said of prefixes until the service is created again.
- Where the second look has placed otherwise than one after another would have: the nodes that a service has got are
  in the best order there is of them.

Resources that move are on two nodes, with a reservation on each, and may end on either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.schedule import Refused, place
from tests.python.unit.schedule import churn_checks
from tests.python.unit.schedule.churn_books import Books, Member, Service
from tests.python.unit.schedule.churn_fleet import FLAVORS, MACHINE, POLICIES


class Site(Books):
    """The steps that change the books; each returns whether there was anything to do."""

    def create(self) -> bool:
        """One to four new services in one batch."""
        self.pass_over([self._new() for _ in range(self.random.choice((1, 1, 1, 1, 1, 4)))])
        return True

    def _new(self) -> Service:
        number = self.random.randrange(len(POLICIES))
        policy, judge = self._judges[number]
        need, share = self.random.choice(FLAVORS)
        provider = self.random.choice(("libvirt", "libvirt", "memory"))
        self.made += 1
        made = Service(f"s{self.made}", policy, need, share, provider, self.random.random() < 0.7, judge)
        for index in range(1 if share is MACHINE else self.random.randint(1, 7)):
            made.add(index)
        self.services[made.name] = made
        return made

    def scale_up(self) -> bool:
        service = self._any()
        if service is None:
            return False
        for _ in range(self.random.randint(1, 3)):
            index = next(index for index in range(len(service.members) + 1) if index not in service.members)
            service.add(index)
        self.pass_over([service])
        return True

    def scale_down(self) -> bool:
        """The tail goes."""
        service = self._any()
        if service is None:
            return False
        for index in sorted(service.members)[-self.random.randint(1, 3) :]:
            self._remove(service, index)
        return True

    def delete_by_name(self) -> bool:
        service = self._any()
        if service is None:
            return False
        index = self.random.choice(list(service.members))
        if service.members[index].node and index != max(service.members):
            service.orderly = False
        self._remove(service, index)
        return True

    def delete_service(self) -> bool:
        service = self._any()
        for index in list(service.members) if service else ():
            assert service
            self._remove(service, index)
        return service is not None

    def try_again(self) -> bool:
        """Everything that waits, in one batch."""
        services = list(self.services.values())
        self.pass_over(services)
        return True

    def two_at_once(self) -> bool:
        """Two controllers, each with its own services and a snapshot that is older than what the other writes."""
        waiting = [service for service in self.services.values() if self.waiting([service])]
        waiting += [self._new() for _ in range(2)]
        halves = waiting[::2], waiting[1::2]
        drawn = [self.draw_up(self.waiting(half)) for half in halves if self.waiting(half)]
        for number, (answers, moved) in enumerate(drawn):
            for _ in range(9):
                if self.write(answers, moved=moved):
                    break
                self.seen["lost the race"] += 1
                services = {each.request.service for each in answers}
                answers, moved = self.draw_up(self.waiting(self.services[name] for name in sorted(services)))
            else:
                raise AssertionError(f"controller {number} never gets through")
            for each in answers:
                self.services[each.request.service].slots = None  # the other one's were there first
        return True

    def node_down(self) -> bool:
        up = [machine for machine in self.nodes.values() if machine.up]
        if len(up) < len(self.nodes) - 3:
            return False
        self.random.choice(up).up = False
        return True

    def node_back(self) -> bool:
        down = [machine for machine in self.nodes.values() if not machine.up]
        for machine in down[:1]:
            machine.up = True
        return bool(down)

    def forget(self) -> bool:
        """A lost node is fenced and given up: what stood there is made again elsewhere, or is lost."""
        down = [name for name, machine in self.nodes.items() if not machine.up]
        if not down:
            return False
        node = self.random.choice(down)
        concerned = []
        for service in self.services.values():
            for member in [each for each in service.standing if node in each.places]:
                concerned.append(service)
                service.orderly = False
                self.give_back(node, member.request.key)
                other = next((name for name in member.places if name != node), None)
                if member.node == node and other:  # as though the copy had not been complete
                    self.give_back(other, member.request.key)
                    other = None
                if member.moving_to:
                    member.moving_to = None
                if member.node == node:
                    member.node, member.lost = None, not service.rebuild
        self.nodes[node].up = True
        self.pass_over({service.name: service for service in concerned}.values())
        return True

    def cordon(self) -> bool:
        machine = self.random.choice(list(self.nodes.values()))
        closed = [each for each in self.nodes.values() if not each.schedulable]
        machine.schedulable = not machine.schedulable if len(closed) < 3 else True
        return True

    def drain(self) -> bool:
        """A node or a whole rack is to be empty; or such a drain is cancelled, what it began goes back."""
        draining = [name for name, machine in self.nodes.items() if machine.draining]
        if draining:
            for name in draining:
                self.nodes[name].draining = False
            for member in [each for service in self.services.values() for each in service.standing]:
                if member.moving_to and member.node in draining and self.random.random() < 0.5:
                    self._end_move(member, arrived=False)
            return True
        rack = f"r{self.random.randint(1, 4)}-"
        names = [name for name in self.nodes if name.startswith(rack)]
        for name in names if self.random.random() < 0.4 else [self.random.choice(names)]:
            self.nodes[name].draining = True
        return True

    def drain_on(self) -> bool:
        """Begin some moves away from draining nodes: each as if the copy that leaves were gone."""
        leaving = [
            (service, member)
            for service in self.services.values()
            for member in service.standing
            if self.nodes[member.node or ""].draining and not member.moving_to and self.nodes[member.node or ""].up
        ]
        self.random.shuffle(leaving)
        for service, member in leaving[:3]:
            self._begin_move(service, member)
        return bool(leaving)

    def rebalance(self) -> bool:
        """Move one of a service, if that makes it better."""
        service = self._any()
        able = [each for each in service.standing if not each.moving_to] if service else []
        if not service or not able or any(each.moving_to for each in service.standing):
            return False
        member = self.random.choice(able)
        if self.nodes[member.node or ""].up:
            self._begin_move(service, member, only_if_better=True)
        return True

    def go_on(self) -> bool:
        """Some moves end: most arrive, some fail."""
        moving = [each for service in self.services.values() for each in service.standing if each.moving_to]
        for member in moving[:4]:
            up = all(self.nodes[name].up for name in member.places)
            if up:
                self._end_move(member, arrived=self.random.random() < 0.8)
        return bool(moving)

    def _begin_move(self, service: Service, member: Member, *, only_if_better: bool = False) -> None:
        assert member.node
        snapshot = self.snapshot([service.name])
        snapshot.count(service.name, member.node, -1)
        here = {snapshot.nodes[number].name: count for number, count in snapshot.counts_by_node(service.name).items()}
        (answer,) = place(snapshot, [replace(member.request, avoid=frozenset({member.node}))])
        if isinstance(answer, Refused):
            self.seen["move refused"] += 1
            return
        if only_if_better and service.judge.cost(answer.node, here) >= service.judge.cost(member.node, here):
            return
        assert self.nodes[answer.node].is_open
        assert self.commit([(answer.node, member.request.key, answer.share)])
        service.orderly = False
        member.moving_to = answer.node
        self.seen["rebalanced" if only_if_better else "drained"] += 1

    def _end_move(self, member: Member, *, arrived: bool) -> None:
        assert member.node
        assert member.moving_to
        self.give_back(member.node if arrived else member.moving_to, member.request.key)
        if arrived:
            member.node = member.moving_to
        member.moving_to = None

    def _any(self) -> Service | None:
        return self.random.choice(list(self.services.values())) if self.services else None

    def _remove(self, service: Service, index: int) -> None:
        member = service.members.pop(index)
        for name in member.places:
            self.give_back(name, member.request.key)
        if not service.members:
            del self.services[service.name]

    def step(self) -> str:
        """One step, by chance; its name."""
        full = sum(len(service.members) for service in self.services.values()) > self.most
        grow = 0.2 if full else 3
        weights: dict[Callable[[], bool], float] = {
            self.create: grow,
            self.scale_up: 1.5 * grow,
            self.two_at_once: 0.15 * grow,
            self.scale_down: 3,
            self.delete_by_name: 2.5,
            self.delete_service: 1.5,
            self.try_again: 0.1,
            self.node_down: 1,
            self.node_back: 1,
            self.forget: 0.5,
            self.cordon: 1,
            self.drain: 0.6,
            self.drain_on: 3,
            self.rebalance: 3,
            self.go_on: 4,
        }
        while True:
            (chosen,) = self.random.choices(list(weights), list(weights.values()))
            if chosen():
                self.seen[chosen.__name__] += 1
                return chosen.__name__


def walk(seed: int, steps: int, most: int) -> Site:
    """So many steps from a seed, all looked at after each; with more than ``most`` resources few more are made."""
    site = Site(seed, most)
    for number in range(steps):
        name = ""
        try:
            name = site.step()
            churn_checks.check(site)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number} ({name or 'within'}): {error}") from error
    return site
