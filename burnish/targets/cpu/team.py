"""The thread team, natively: launch, worker, stop, and the barrier between them (docs/native-abi.md).

    thread 0    burnish_launch: publish the arguments, bump `launched`, do its own share, arrive, wait for the others
    thread 1..  burnish_worker: wait for `launched`, do its share, arrive, wait for the next launch

The team block holds, each on lines of its own (a line is 64 bytes; neighbours are fetched in pairs, hence 128):

    word 0  threads   word 1  spins    written by the caller, read by all
    word 16 launched  17 segment  18 buffers  19 dims  20 profile  21 stop     one transfer brings them all
    word 32 arrivals  how many have arrived at the current barrier
    word 48 passed    the barrier's generation
    word 49 haste     0: spin as long as that may pay

`launched` and `passed` are counters on which a thread can wait: 32 bits of generation, then 32 bits that count the
sleepers. A waiter spins, then adds itself to the sleepers, and sleeps in futex(2) while the generation is still the one
it saw. Where other processes use the cores, spinning is the worst that a waiter can do: it spends the share of time
that its thread has left, and the awaited thread then waits for it in turn (giving the core away for a moment with
sched_yield does the same). A sleeper keeps its share, and gets a core at once when it is woken. So a wait that was so
long that the awaited thread had no core (LONG_CYCLES) puts the team in haste: its waiters at barriers spin but 1/128
as long, and twice as long again for every 16 points of haste that waits of ordinary length take away.
A thread bumps the generation with a locked instruction, then looks at the sleepers. So either it sees the sleeper, or
the sleeper sees the new generation: no wake-up is lost, and without sleepers there is no system call. The last thread
to arrive resets `arrivals` before it bumps `passed`; nobody can arrive again before that. The join at the end of a
launch is a barrier at which workers do not wait.

cost: a barrier of two threads 0.2 us; a launch 1 us while the workers spin; 35 us when they sleep on a virtual machine,
where a halted core must be started again (2-core Firecracker machine, 2026-11).
Beside busy processes: benchmarks/README.md
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from burnish.plan.native_abi import ALONE, HEADER_BYTES
from burnish.targets.cpu.builder import I1, I32, I64, POINTER, protect

VOID = ir.VoidType()

THREADS, SPINS = 0, 1
LAUNCHED, SEGMENT, BUFFERS, DIMS, PROFILE, STOP = 16, 17, 18, 19, 20, 21
ARRIVALS, PASSED, HASTE = 32, 48, 49
BARRIER_PATIENCE = 4  # a waiter inside a segment spins this many times longer than one between launches
LONG_CYCLES = 1 << 21  # of the time stamp counter, 0.6 to 1 ms: longer than waiters spin
MOST_HASTE, HASTE_SHIFT = 127, 4  # a waiter's spins are shifted right by haste >> HASTE_SHIFT
LESS_AFTER_SPIN, LESS_AFTER_SLEEP = 4, 1  # haste, after a wait that was not long

_FUTEX, _WAIT_PRIVATE, _WAKE_PRIVATE = 202, 128, 129  # x86-64 Linux
_RUN_TYPE = ir.FunctionType(VOID, [POINTER, I64, POINTER, POINTER, POINTER, I64, I64])


def emit_barrier(builder: ir.IRBuilder, team: ir.Value, threads: ir.Value) -> None:
    """No thread passes before all have arrived. All threads then see everything written before the barrier."""
    builder.call(_function(builder.module, "burnish.barrier", _emit_barrier), [team, threads])


def team_of(builder: ir.IRBuilder, scratch: ir.Value) -> ir.Value:
    """The team, for barriers inside a kernel (never in a serial schedule)."""
    header = builder.gep(scratch, [I64(-HEADER_BYTES)], source_etype=ir.IntType(8))
    return builder.load(header, align=8, typ=POINTER)


def emit_team(module: ir.Module, run: ir.Function, serial: Sequence[int] = ()) -> None:
    """Add the three exported functions.

    run:    one thread's part of a segment (`declare_run`)
    serial: segments that thread 0 runs alone; no other thread is woken for them
    """
    assert run.function_type == _RUN_TYPE, run.function_type
    _emit_launch(module, run, serial)
    _emit_worker(module, run)
    _emit_stop(module)


def declare_run(module: ir.Module) -> ir.Function:
    """The function that `emit_team` wants, without a body."""
    run = _internal(ir.Function(module, _RUN_TYPE, name="burnish.run"))
    for argument, name in zip(run.args, ("team", "segment", "buffers", "dims", "profile", "thread", "threads")):
        argument.name = name
    return run


def emit_time_stamp(builder: ir.IRBuilder, profile: ir.Value, index: ir.Value | int) -> None:
    """profile[index] = the time stamp counter."""
    place = I64(index) if isinstance(index, int) else index
    builder.store(_time(builder), builder.gep(profile, [place], source_etype=I64))


def _emit_launch(module: ir.Module, run: ir.Function, serial: Sequence[int]) -> None:
    kind = ir.FunctionType(VOID, [POINTER, I64, POINTER, POINTER, POINTER])
    function = ir.Function(module, kind, name="burnish_launch")
    team, segment, buffers, dims, profile = function.args
    builder = _start(function)
    threads = _load(builder, team, THREADS)
    is_alone = builder.icmp_unsigned(">=", segment, I64(ALONE))
    threads = builder.select(is_alone, I64(1), threads)
    segment = builder.and_(segment, I64(ALONE - 1))
    for number in serial:
        threads = builder.select(builder.icmp_signed("==", segment, I64(number)), I64(1), threads)
    is_shared = builder.icmp_signed(">", threads, I64(1))
    with builder.if_then(builder.icmp_unsigned("!=", profile, POINTER(None))):
        emit_time_stamp(builder, profile, 0)
    with builder.if_then(is_shared):
        for word, value in ((SEGMENT, segment), (BUFFERS, buffers), (DIMS, dims), (PROFILE, profile)):
            as_word = value if value.type == I64 else builder.ptrtoint(value, I64)
            builder.store(as_word, _word(builder, team, word))
        builder.call(_function(module, "burnish.wake", _emit_wake), [_word(builder, team, LAUNCHED)])
    builder.call(run, [team, segment, buffers, dims, profile, I64(0), threads])
    with builder.if_then(is_shared):
        emit_barrier(builder, team, threads)
    builder.ret_void()


def _emit_worker(module: ir.Module, run: ir.Function) -> None:
    function = ir.Function(module, ir.FunctionType(VOID, [POINTER, I64]), name="burnish_worker")
    team, thread = function.args
    builder = _start(function)
    head, work, leave = (function.append_basic_block(name) for name in ("head", "work", "leave"))
    threads, spins = _load(builder, team, THREADS), _load(builder, team, SPINS)
    entry = builder.block
    builder.branch(head)

    builder.position_at_end(head)
    seen = builder.phi(I32, name="seen")
    seen.add_incoming(I32(0), entry)
    launched = _word(builder, team, LAUNCHED)
    builder.call(_function(module, "burnish.wait", _emit_wait), [launched, seen, spins])
    builder.cbranch(builder.icmp_signed("!=", _load(builder, team, STOP), I64(0)), leave, work)

    builder.position_at_end(work)
    buffers = builder.inttoptr(_load(builder, team, BUFFERS), POINTER)
    dims = builder.inttoptr(_load(builder, team, DIMS), POINTER)
    profile = builder.inttoptr(_load(builder, team, PROFILE), POINTER)
    builder.call(run, [team, _load(builder, team, SEGMENT), buffers, dims, profile, thread, threads])
    builder.call(_function(module, "burnish.arrive", _emit_arrive), [team, threads])
    seen.add_incoming(builder.add(seen, I32(1)), builder.block)
    builder.branch(head)

    builder.position_at_end(leave)
    builder.ret_void()


def _emit_stop(module: ir.Module) -> None:
    function = ir.Function(module, ir.FunctionType(VOID, [POINTER]), name="burnish_stop")
    (team,) = function.args
    builder = _start(function)
    builder.store(I64(1), _word(builder, team, STOP))
    builder.call(_function(module, "burnish.wake", _emit_wake), [_word(builder, team, LAUNCHED)])
    builder.ret_void()


def _emit_barrier(module: ir.Module, name: str) -> ir.Function:
    """void (team, threads): arrive, and wait unless last."""
    function = ir.Function(module, ir.FunctionType(VOID, [POINTER, I64]), name=name)
    team, threads = function.args
    builder = _start(function)
    with builder.if_then(builder.icmp_signed("<=", threads, I64(1))):
        builder.ret_void()
    passed, haste_word = _word(builder, team, PASSED), _word(builder, team, HASTE)
    seen = builder.load_atomic(passed, "monotonic", 4, typ=I32)  # cannot change before this thread has arrived
    is_last = builder.call(_function(module, "burnish.arrive", _emit_arrive), [team, threads])
    with builder.if_then(builder.not_(is_last)):
        haste = builder.load_atomic(haste_word, "monotonic", 8, typ=I64)
        most = builder.mul(_load(builder, team, SPINS), I64(BARRIER_PATIENCE))
        spins = builder.lshr(most, builder.lshr(haste, I64(HASTE_SHIFT)))
        begin = _time(builder)
        slept = builder.call(_function(module, "burnish.wait", _emit_wait), [passed, seen, spins])
        is_long = builder.icmp_signed(">", builder.sub(_time(builder), begin), I64(LONG_CYCLES))
        with builder.if_then(builder.or_(is_long, builder.icmp_signed("!=", haste, I64(0))), likely=False):
            less = builder.sub(haste, builder.select(slept, I64(LESS_AFTER_SLEEP), I64(LESS_AFTER_SPIN)))
            less = builder.select(builder.icmp_signed("<", less, I64(0)), I64(0), less)
            builder.store(builder.select(is_long, I64(MOST_HASTE), less), haste_word, align=8)
    builder.ret_void()
    return function


def _emit_arrive(module: ir.Module, name: str) -> ir.Function:
    """bool (team, threads): count this thread as arrived. The last one (true) opens the barrier."""
    function = ir.Function(module, ir.FunctionType(I1, [POINTER, I64]), name=name)
    team, threads = function.args
    builder = _start(function)
    arrivals = _word(builder, team, ARRIVALS)
    before = builder.atomic_rmw("add", arrivals, I64(1), "acq_rel")
    is_last = builder.icmp_signed("==", before, builder.sub(threads, I64(1)))
    with builder.if_then(is_last):
        builder.store(I64(0), arrivals, align=8)  # ordered by the bump below; nobody arrives before it
        builder.call(_function(module, "burnish.wake", _emit_wake), [_word(builder, team, PASSED)])
    builder.ret(is_last)
    return function


def _emit_wake(module: ir.Module, name: str) -> ir.Function:
    """void (counter): start the next generation; makes a system call only if a thread sleeps."""
    function = ir.Function(module, ir.FunctionType(VOID, [POINTER]), name=name)
    (counter,) = function.args
    builder = _start(function)
    builder.atomic_rmw("add", counter, I32(1), "seq_cst")
    sleepers = builder.load_atomic(builder.gep(counter, [I32(1)], source_etype=I32), "seq_cst", 4, typ=I32)
    with builder.if_then(builder.icmp_signed("!=", sleepers, I32(0)), likely=False):
        _futex(builder, counter, _WAKE_PRIVATE, I64(0x7FFFFFFF))
    builder.ret_void()
    return function


def _emit_wait(module: ir.Module, name: str) -> ir.Function:
    """bool (counter, seen, spins): wait until the generation differs from the one seen. Did the thread sleep?"""
    function = ir.Function(module, ir.FunctionType(I1, [POINTER, I32, I64]), name=name)
    counter, seen, spins = function.args
    builder = _start(function)
    entry = builder.block
    names = ("spin", "pause", "doze", "check", "sleep", "awake", "done")
    spin, pause, doze, check, sleep, awake, done = (function.append_basic_block(name) for name in names)
    sleepers = builder.gep(counter, [I32(1)], source_etype=I32)
    builder.branch(spin)

    builder.position_at_end(spin)
    spent = builder.phi(I64, name="spent")
    spent.add_incoming(I64(0), entry)
    is_new = builder.icmp_signed("!=", builder.load_atomic(counter, "acquire", 4, typ=I32), seen)
    builder.cbranch(is_new, done, pause)

    builder.position_at_end(pause)
    builder.asm(ir.FunctionType(VOID, []), "pause", "~{memory}", [], side_effect=True)
    more = builder.add(spent, I64(1))
    spent.add_incoming(more, builder.block)
    builder.cbranch(builder.icmp_signed("<", more, spins), spin, doze)

    builder.position_at_end(doze)
    builder.atomic_rmw("add", sleepers, I32(1), "seq_cst")
    builder.branch(check)

    builder.position_at_end(check)
    is_new = builder.icmp_signed("!=", builder.load_atomic(counter, "seq_cst", 4, typ=I32), seen)
    builder.cbranch(is_new, awake, sleep)

    builder.position_at_end(sleep)
    _futex(builder, counter, _WAIT_PRIVATE, builder.zext(seen, I64))
    builder.branch(check)

    builder.position_at_end(awake)
    builder.atomic_rmw("sub", sleepers, I32(1), "seq_cst")
    builder.branch(done)

    builder.position_at_end(done)
    slept = builder.phi(I1, name="slept")
    slept.add_incoming(I1(0), spin)
    slept.add_incoming(I1(1), awake)
    builder.ret(slept)
    return function


def _time(builder: ir.IRBuilder) -> ir.Value:
    """The time stamp counter."""
    return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(I64, [])), [])


def _futex(builder: ir.IRBuilder, counter: ir.Value, operation: int, value: ir.Value) -> None:
    """futex(counter, operation, value, timeout = null)."""
    _system_call(builder, _FUTEX, builder.ptrtoint(counter, I64), I64(operation), value, I64(0))


def _system_call(builder: ir.IRBuilder, number: int, *arguments: ir.Value) -> None:
    """A system call by hand, so that the object needs no C library."""
    places = ("{rdi}", "{rsi}", "{rdx}", "{r10}")[: len(arguments)]
    constraint = ",".join(("={rax}", "{rax}", *places, "~{rcx}", "~{r11}", "~{memory}"))
    kind = ir.FunctionType(I64, [I64] * (1 + len(arguments)))
    builder.asm(kind, "syscall", constraint, [I64(number), *arguments], side_effect=True)


def _function(module: ir.Module, name: str, emit: object) -> ir.Function:
    """The internal function of that name, emitted at its first use."""
    found = module.globals.get(name)
    if found is None:
        found = _internal(emit(module, name))  # type: ignore[operator]
    return found


def _internal(function: ir.Function) -> ir.Function:
    function.linkage = "internal"
    protect(function)
    function.attributes.add("noinline")
    return function


def _start(function: ir.Function) -> ir.IRBuilder:
    protect(function)
    return ir.IRBuilder(function.append_basic_block("entry"))


def _word(builder: ir.IRBuilder, team: ir.Value, word: int) -> ir.Value:
    return builder.gep(team, [I64(word)], source_etype=I64)


def _load(builder: ir.IRBuilder, team: ir.Value, word: int) -> ir.Value:
    return builder.load(_word(builder, team, word), align=8, typ=I64)
