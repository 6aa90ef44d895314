"""team.py: launches, barriers, sleeping and waking, natively."""

from __future__ import annotations

import functools
import os
import time

import numpy as np
import pytest
from llvmlite import ir

from burnish.devices.cpu.device import ENTRY_POINTS
from burnish.devices.cpu.elf import LoadedObject, load_object
from burnish.devices.cpu.threads import ThreadTeam
from burnish.target import Target
from burnish.targets.cpu.builder import I64
from burnish.targets.cpu.codegen import compile_module
from burnish.targets.cpu.team import HASTE, MOST_HASTE, declare_run, emit_barrier, emit_team

TARGET = Target("cpu", "x86-64-v2")
ROUNDS = 200


@functools.cache
def relay() -> LoadedObject:
    """ROUNDS times: every thread writes its counter, barrier, every thread adds up its neighbour's, barrier.

    buffers[0]: counters, one line each; buffers[1]: sums, one line each. A barrier too few and a sum is off.
    """
    module = ir.Module("relay")
    run = declare_run(module)
    team, _, buffers, _, _, thread, threads = run.args
    b = ir.IRBuilder(run.append_basic_block("entry"))
    loop, done = run.append_basic_block("loop"), run.append_basic_block("done")
    pointer = ir.PointerType()
    counters = b.load(buffers, typ=pointer)
    sums = b.load(b.gep(buffers, [I64(1)], source_etype=pointer), typ=pointer)
    next_thread = b.add(thread, I64(1))
    neighbour = b.select(b.icmp_signed("==", next_thread, threads), I64(0), next_thread)
    entry = b.block
    b.branch(loop)
    b.position_at_end(loop)
    n = b.phi(I64)
    n.add_incoming(I64(0), entry)

    def line(base: ir.Value, which: ir.Value) -> ir.Value:
        return b.gep(base, [b.mul(which, I64(16))], source_etype=I64)

    b.store(n, line(counters, thread))
    emit_barrier(b, team, threads)
    mine = line(sums, thread)
    b.store(b.add(b.load(mine, typ=I64), b.load(line(counters, neighbour), typ=I64)), mine)
    emit_barrier(b, team, threads)
    more = b.add(n, I64(1))
    n.add_incoming(more, b.block)
    b.cbranch(b.icmp_signed("<", more, I64(ROUNDS)), loop, done)
    b.position_at_end(done)
    b.ret_void()
    emit_team(module, run)
    return load_object(compile_module(module, TARGET), ENTRY_POINTS)


def launch(team: ThreadTeam, threads: int) -> None:
    counters, sums = np.zeros((threads, 16), np.int64), np.zeros((threads, 16), np.int64)
    buffers = np.array([counters.ctypes.data, sums.ctypes.data], np.int64)
    team.launch(0, buffers.ctypes.data, 0, 0)
    assert (sums[:, 0] == ROUNDS * (ROUNDS - 1) // 2).all(), sums[:, 0]


@pytest.mark.parametrize(("threads", "launches"), [(1, 50), (2, 50), (4, 5), (16, 1)])
def test_no_thread_passes_a_barrier_before_all_have_come(threads: int, launches: int):
    team = ThreadTeam(relay(), threads)
    for _ in range(launches):
        launch(team, threads)
    team.close()


def test_workers_that_sleep_are_woken():
    team = ThreadTeam(relay(), 2)
    for _ in range(5):
        launch(team, 2)
        time.sleep(0.01)
    team.close()


def test_waiters_that_may_not_spin_sleep_in_the_kernel_and_are_woken():
    team = ThreadTeam(relay(), 3)
    team._block[1] = 0
    for _ in range(3):
        launch(team, 3)
    team.close()


def test_a_team_without_enough_cores_stops_spinning_and_spins_again_when_it_has_them():
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core: a team never has enough")
    os.sched_setaffinity(0, {min(cores)})
    try:
        team = ThreadTeam(relay(), 2)
        team._block[1] = 100_000  # 4 ms and more at each barrier, as long as nothing tells better; then 0.1
        begin = time.process_time()
        launch(team, 2)
        used = time.process_time() - begin
        assert team._block[HASTE] > 0
        assert used < ROUNDS * 2e-3, f"{1e6 * used / ROUNDS:.0f} us of processor time a barrier"
    finally:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), cores)
    team._block[HASTE] = MOST_HASTE
    end = time.monotonic() + 20
    while team._block[HASTE] > MOST_HASTE // 2 and time.monotonic() < end:
        launch(team, 2)
    left = team._block[HASTE]
    team.close()
    if left > MOST_HASTE // 2 and os.getloadavg()[0] > len(cores):
        pytest.skip("other processes keep the cores busy, so that haste rightly stays")
    assert left <= MOST_HASTE // 2, "waits of ordinary length take haste away"


def test_no_thread_spins_after_a_launch():
    team = ThreadTeam(relay(), 4)
    launch(team, 4)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(1.0)
    used = time.process_time() - before
    team.close()
    assert used < 0.01, f"{used:.3f} s of processor time in 1 s of idling"


def test_the_same_module_gives_the_same_bytes():
    def code() -> bytes:
        module = ir.Module("m")
        run = declare_run(module)
        ir.IRBuilder(run.append_basic_block("entry")).ret_void()
        emit_team(module, run)
        return compile_module(module, TARGET)

    assert code() == code()
