"""Who may start a batch now: workers shared fairly between models, and resources that instances hold while they run.

Workers. Of those there are, a model may hold an equal part among the models that have lately been busy, and no more
than its share; one at least, and all if no other model is busy. So a model with a long queue never holds the worker
that another's next request needs. Among those that wait, the one goes first that has been served least for its share
(start-time fair queueing).

Resources. With the rate limiter on, an instance starts when the resources that its group names are there, on its device
or for all devices. Of those that wait for one, the instance goes first whose batches so far times its priority are
fewest, and others that need the same resource stand behind it, so that one which needs much is not starved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from burnish.serve.scheduling import Clock, Instance
from burnish.serve.status import invalid

GLOBAL = -1
ResourceName = tuple[str, int]  # and the device, or GLOBAL
Retry = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Needs:
    """What an instance holds while it runs, besides a worker. priority: 2 gets half the turns of 1."""

    resources: Mapping[ResourceName, int] = field(default_factory=dict)
    priority: int = 1


@dataclass(slots=True, eq=False)
class _Waiting:
    """An instance that was refused."""

    member: MemberTurns
    name: str
    needs: Needs
    takes_worker: bool
    retry: Retry


class SharedTurns:
    """One a server.

    workers   how many batches may run at a time; 0: any
    limits    of resources; one without a limit has what the neediest instance asks for
    active_ns how long a model counts as busy after its last batch
    """

    def __init__(
        self,
        clock: Clock,
        workers: int = 0,
        limits: Mapping[ResourceName, int] | None = None,
        active_ns: int = 1_000_000_000,
    ) -> None:
        self._clock, self._workers, self._limits, self._active_ns = clock, workers, dict(limits or {}), active_ns
        self._members: list[MemberTurns] = []
        self._held_workers = 0
        self._held: dict[ResourceName, int] = {}
        self._waiting: dict[tuple[MemberTurns, str], _Waiting] = {}
        self._is_granting = False

    def join(self, instances: Mapping[str, Needs] | None = None, share: float = 1.0) -> MemberTurns:
        """A model's part. instances: what each needs, by its name. share: of the workers, at most, while others wait.

        raises: INVALID_ARG if an instance needs more than there is, or a resource is global here and a device's there
        """
        member = MemberTurns(self, share, dict(instances or {}))
        for needs in member.needs.values():
            self._check(needs)
        self._members.append(member)
        return member

    def _check(self, needs: Needs) -> None:
        for (name, device), count in needs.resources.items():
            limit = self._limits.get((name, device))
            if limit is not None and count > limit:
                raise invalid(
                    f'Resource count for "{name}" is limited to {limit} which will prevent scheduling of one or more '
                    f"model instances, the minimum required count is {count}"
                )
            known = [d for m in self._members for n in m.needs.values() for r, d in n.resources if r == name]
            if any((d == GLOBAL) != (device == GLOBAL) for d in known):
                raise invalid(
                    f'Resource "{name}" is present as both global and device-specific resource in the model '
                    "configuration."
                )

    @property
    def running(self) -> int:
        """Batches that have a worker."""
        return self._held_workers

    def limit_of(self, resource: ResourceName) -> int:
        limit = self._limits.get(resource)
        if limit is not None:
            return limit
        return max((n.resources.get(resource, 0) for m in self._members for n in m.needs.values()), default=0)

    def enter(self, member: MemberTurns, instance: Instance, retry: Retry) -> bool:
        needs = member.needs.get(instance.name, _NOTHING)
        now = self._clock.now_ns()
        takes_worker = member.uses_workers = getattr(instance, "has_worker", True)
        member.wake(now, self._members)
        this = _Waiting(member, instance.name, needs, takes_worker, retry)
        if not self._may_start(this, now) or (self._waiting and self._is_behind(this, now)):
            self._waiting[member, instance.name] = this
            return False
        self._waiting.pop((member, instance.name), None)
        if takes_worker:
            self._held_workers += 1
            member.held.add(id(instance))
        member.batches[instance.name] = member.batches.get(instance.name, 0) + 1
        for resource, count in needs.resources.items():
            self._held[resource] = self._held.get(resource, 0) + count
        return True

    def leave(self, member: MemberTurns, instance: Instance, busy_ns: int, again: Retry) -> None:
        if id(instance) in member.held:
            member.held.remove(id(instance))
            self._held_workers -= 1
        member.served += busy_ns / member.share
        member.last_ns = self._clock.now_ns()
        for resource, count in member.needs.get(instance.name, _NOTHING).resources.items():
            self._held[resource] -= count
        again()
        self._grant()

    def part(self, member: MemberTurns) -> None:
        """The model is gone. What it still runs gives its worker back when it ends."""
        if member in self._members:
            self._members.remove(member)
        for key in [key for key in self._waiting if key[0] is member]:
            del self._waiting[key]
        self._grant()

    def _grant(self) -> None:
        if self._is_granting:
            return
        self._is_granting = True
        try:
            while self._waiting:
                now = self._clock.now_ns()
                for waiting in sorted(self._waiting.values(), key=_precedence):
                    if self._may_start(waiting, now) and not self._is_behind(waiting, now):
                        del self._waiting[waiting.member, waiting.name]
                        waiting.retry()
                        break
                else:
                    return
        finally:
            self._is_granting = False

    def _may_start(self, this: _Waiting, now_ns: int) -> bool:
        if self._workers and this.takes_worker:
            if self._held_workers >= self._workers:
                return False
            held = len(this.member.held)
            if held and held >= self._share(this.member, now_ns):  # one it may have in any case
                return False
        resources = this.needs.resources
        return not resources or all(self._held.get(r, 0) + n <= self.limit_of(r) for r, n in resources.items())

    def _share(self, member: MemberTurns, now_ns: int) -> int:
        """Workers are divided equally among the busy; what is more than a model's share goes to the others."""
        busy = [
            m
            for m in self._members
            if m is member or (m.uses_workers and (m.held or now_ns - m.last_ns < self._active_ns))
        ]
        if len(busy) == 1:
            return self._workers
        left, part = 1.0, 0.0
        for place, other in enumerate(sorted(busy, key=lambda m: m.share)):
            part = min(other.share, left / (len(busy) - place))
            left -= part
            if other is member:
                break
        return max(1, int(self._workers * part + 1e-9))

    def _is_behind(self, this: _Waiting, now_ns: int) -> bool:
        """Whether another that waits goes first: for the worker, or for a resource, even if it cannot start yet."""
        own, needs = _precedence(this), this.needs.resources.keys()
        for other in self._waiting.values():
            if (other.member is this.member and other.name == this.name) or _precedence(other) >= own:
                continue
            if needs & other.needs.resources.keys():
                return True
            both_take = this.takes_worker and other.takes_worker
            if self._workers and both_take and self._may_start(other, now_ns):
                return True
        return False


class MemberTurns:
    """A model's part in the turns: the `Turns` of its pools.

    held    instances that have a worker, by identity
    served  the time that its batches have run, for its share
    batches of each instance
    """

    def __init__(self, shared: SharedTurns, share: float, needs: Mapping[str, Needs]) -> None:
        self._shared, self.share, self.needs = shared, share, needs
        self.uses_workers = True
        self.held: set[int] = set()
        self.served = 0.0
        self.last_ns = -(1 << 62)
        self.batches: dict[str, int] = {}

    def enter(self, instance: Instance, retry: Retry) -> bool:
        return self._shared.enter(self, instance, retry)

    def leave(self, instance: Instance, busy_ns: int, again: Retry) -> None:
        self._shared.leave(self, instance, busy_ns, again)

    def close(self) -> None:
        self._shared.part(self)

    def wake(self, now_ns: int, members: Sequence[MemberTurns]) -> None:
        """One that was idle does not save up turns: it stands with those that have been served least."""
        if not self.held:
            others = [m.served for m in members if m is not self and m.held]
            self.served = max(self.served, min(others, default=self.served))
        self.last_ns = now_ns


_NOTHING = Needs()


def _precedence(waiting: _Waiting) -> tuple[float, float]:
    member = waiting.member
    if waiting.needs.resources:
        return member.batches.get(waiting.name, 0) * max(1, waiting.needs.priority), member.served
    return member.served, 0.0
