"""segment.py: random programs whose threads read each other's halves, on an arena that reuses its bytes."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.arena import Arena
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Branch, Launch, Loops, Program, Step, Store
from burnish.lower.memory.plan_arena import Lifetime, plan_arena
from burnish.ops.language.expr import Axis, axis, load
from burnish.runtime import load as load_plan
from tests.targets.cpu import programs
from tests.targets.cpu.programs import Maker

N = 1000
F32 = DType.F32


def mirror(a: int, b: int, out: int) -> Launch:
    """out[i] = a[N-1-i] + b[i]: each thread needs what another one wrote."""
    i = Axis("i0", N)
    slots = (Slot(F32, (N,), (-1,)), Slot(F32, (N,), (1,)), Slot(F32, (N,), (1,)))
    at = (axis(i),)
    kernel = Loops(slots, (i,), (Store(2, at, load(0, F32, at) + load(1, F32, at)),))
    return Launch(kernel, (Binding(a, N - 1), Binding(b), Binding(out)), (2,), f"to {out}", ())


def evaluate(steps: list[Step], memory: dict[int, np.ndarray]) -> None:
    for step in steps:
        if isinstance(step, Branch):
            evaluate(list(step.then if memory[step.condition.storage] else step.otherwise), memory)
        else:
            assert isinstance(step, Launch)
            a, b, out = (binding.storage for binding in step.bindings)
            memory[out] = memory[a][::-1] + memory[b]


def random_program(seed: int) -> tuple[Maker, int, int]:
    """Twenty mirrors of random values; a quarter of them inside Ifs that either side of may be taken."""
    rng = np.random.default_rng(seed)
    m = Maker(N)
    condition, x = m.input("c", (), DType.BOOL), m.input("x")
    values = [x]
    while len(values) < 20:
        a, b = (int(v) for v in rng.choice(values[-4:], 2))
        out = m.storage("arena") if len(values) < 19 else m.output("y")
        if rng.random() < 0.25:
            m.steps.append(Branch("if", Binding(condition), (mirror(a, b, out),), (mirror(b, a, out),)))
        else:
            m.steps.append(mirror(a, b, out))
        values.append(out)
    return m, condition, x


def tight_arena(program: Program) -> Arena:
    """Bytes are given to the next storage as soon as the last reader is launched."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for time, step in enumerate(program.steps):
        inner = (*step.then, *step.otherwise) if isinstance(step, Branch) else (step,)
        for launch in inner:
            for binding in launch.bindings:
                first.setdefault(binding.storage, time)
                last[binding.storage] = time
    lifetimes = [
        Lifetime(s.number, 4 * N, first[s.number], last[s.number]) for s in program.storages if s.kind == "arena"
    ]
    return plan_arena(lifetimes)


@pytest.mark.parametrize("seed", range(8))
def test_no_thread_reads_what_is_not_written_yet_nor_writes_what_is_still_read(
    seed: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "arena_of", tight_arena)
    m, condition, x = random_program(seed)
    plan = m.plan(spread=True)
    assert plan.manifest.variants[0].arena_bytes < 10 * 4 * N  # the arena does reuse its bytes
    rng = np.random.default_rng(seed)
    with load_plan(plan, threads=3) as engine:
        for run in range(6):
            x_value = rng.standard_normal(N, np.float32)
            memory = {condition: np.array(run % 2 == 0), x: x_value}
            evaluate(m.steps, memory)
            found = engine({"c": memory[condition], "x": x_value})["y"]
            assert np.array_equal(found, memory[m.outputs[0].storage])


def test_a_program_without_its_barriers_is_caught_by_this_test(monkeypatch: pytest.MonkeyPatch):
    """The gate itself: with no barrier between launches, some run must differ."""
    from burnish.targets.cpu import segment

    monkeypatch.setattr(segment.Segment, "_barrier", lambda self: None)
    monkeypatch.setattr(programs, "arena_of", tight_arena)
    for seed in range(8):
        m, condition, x = random_program(seed)
        with load_plan(m.plan(spread=True), threads=3) as engine:
            for run in range(20):
                x_value = np.random.default_rng(run).standard_normal(N, np.float32)
                memory = {condition: np.array(True), x: x_value}
                evaluate(m.steps, memory)
                if not np.array_equal(engine({"c": np.array(True), "x": x_value})["y"], memory[m.outputs[0].storage]):
                    return
    pytest.fail("no run differed")
