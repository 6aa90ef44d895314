"""Turns a program and its tactics into one object file and one Variant of the plan.

Consecutive launches (and Ifs with only native sides) form a segment. The runtime executes a reference step, or an If
that holds one, so such a step ends a segment. Each distinct (kernel, schedule) is emitted once. Every thread of the
team calls `burnish.run`, which calls the segment's function:

    scratch of thread t = buffers[last] + t * scratch_bytes;  its first 64 bytes hold the team's address (team.team_of)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from llvmlite import ir

from burnish.dims import Dim, bounds, symbols
from burnish.errors import InternalError
from burnish.kernels.abilities import Abilities
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Options, Schedule
from burnish.kernels.task import (
    Binding,
    Branch,
    Kernel,
    Launch,
    Program,
    Step,
    each_step,
)
from burnish.kernels.work import core_work
from burnish.plan.manifest import (
    FillSpec,
    NativeStep,
    StepSpec,
    Variant,
)
from burnish.plan.native_abi import HEADER_BYTES, WORTH_WAKING_FLOP
from burnish.target import LEVELS, Target
from burnish.targets.constants import Constants
from burnish.targets.cpu.builder import I8, I32, POINTER, KernelContext
from burnish.targets.cpu.check_accesses import LEAD_BYTES, check_accesses, slot_bytes
from burnish.targets.cpu.codegen import compile_module
from burnish.targets.cpu.hazards import Bytes, private_slots
from burnish.targets.cpu.segment import Call, Segment
from burnish.targets.cpu.team import declare_run, emit_team
from burnish.targets.cpu.templates import TEMPLATES, template_of
from burnish.targets.keep import Keep, keep_nothing
from burnish.targets.steps import Parts, make_steps, place_storages

FLUSH_TO_ZERO, SUBNORMALS_ARE_ZERO = 1 << 15, 1 << 6  # of the SSE control word


@dataclass(frozen=True, slots=True)
class CpuCompiler:
    """`targets.Compiler` for a CPU."""

    target: Target

    @property
    def abilities(self) -> Abilities:
        """No level has half-precision arithmetic, but bf16 products may have an instruction. Winograd pays in f32."""
        has_pairs = not {"bf16", "amx"}.isdisjoint(self.target.extensions)
        return Abilities(
            packs_half=True,
            bf16_products=has_pairs,
            bf16_codes="bf16" in self.target.extensions and not self.target.has_tiles,
            integer_products=True,
            blocked_weights=True,
            sparse_weights=True,  # of all levels, so that one analysis serves them; templates know which have the form
            byte_tiles=self.target.has_tiles,
            stores_float8=True,
            quotients=LEVELS.index(self.target.level) >= LEVELS.index("x86-64-v3"),
            chains=not self.target.is_checked,
        )

    @property
    def options(self) -> Mapping[str, type[Options]]:
        return {t.options.template: t.options for t in TEMPLATES.values()}

    def schedules(self, kernel: Kernel, sizes: Mapping[str, int]) -> list[Schedule]:
        return template_of(kernel).schedules(kernel, self.target, sizes)

    def emit_program(
        self,
        program: Program,
        arena: Arena,
        schedules: Mapping[str, Schedule],
        note: Callable[[str], None] = lambda line: None,
        keep: Keep = keep_nothing,
    ) -> tuple[Variant, dict[str, bytes | memoryview]]:
        """Blobs: code/<target>, weights/<sha256>, reference/<sha256>."""
        if self.target.has_tiles:
            note(f"{self.target} runs where the processor has AMX and the kernel grants it (Linux 5.16 or later)")
        return Emission.of(program, arena, self.target, schedules, keep).variant()

    def compile_ahead(self) -> None:
        """None: compiling takes less time than measuring."""


@dataclass
class Emission:
    """One variant that is being made."""

    program: Program
    arena: Arena
    target: Target
    schedules: Mapping[str, Schedule]
    keep: Keep
    context: KernelContext
    memory: Bytes
    parts: Parts
    chosen: dict[str, Schedule] = field(default_factory=dict)  # for kernels that `schedules` does not name
    functions: dict[tuple[str, Schedule], ir.Function] = field(default_factory=dict)
    shared_slots: dict[tuple[str, Schedule], frozenset[int]] = field(default_factory=dict)
    scratch_bytes: int = 0
    segments: list[ir.Function] = field(default_factory=list)
    serial_segments: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        program: Program,
        arena: Arena,
        target: Target,
        schedules: Mapping[str, Schedule],
        keep: Keep = keep_nothing,
    ) -> Emission:
        """Nothing is emitted yet."""
        context = KernelContext(ir.Module("burnish"), target, {name: n for n, name in enumerate(program.symbols)})
        parts = Parts(Constants(program, template_of))
        return cls(program, arena, target, schedules, keep, context, Bytes.of(program, arena.offsets), parts)

    def variant(self) -> tuple[Variant, dict[str, bytes | memoryview]]:
        """The variant and its blobs."""
        constants = self.parts.constants
        steps = make_steps(self.program.steps, self.parts, _is_native, self._segment)
        constants.keep_outputs()
        storages = place_storages(self.program, self.arena.offsets, constants.storages())
        lead = LEAD_BYTES if self.target.is_checked else 0
        per_thread = lead + HEADER_BYTES + -(-self.scratch_bytes // 64) * 64
        for key, function in self.functions.items():
            private = set(range(len(function.args) - 4)) - self.shared_slots[key]
            for n in sorted(private):
                function.args[n].add_attribute("noalias")
        run = _emit_run(self.context.module, self.segments, len(storages), per_thread, lead)
        emit_team(self.context.module, run, self.serial_segments)
        code = f"code/{self.target}"
        machine_code = compile_module(self.context.module, self.target, self.keep)
        variant = Variant(
            target=str(self.target),
            code=code,
            storages=storages,
            arena_bytes=self.arena.size_bytes,
            zero_bytes=self.arena.zero_bytes,
            scratch_bytes=per_thread,
            steps=steps,
            launches=tuple(self.parts.launches),
            fills=tuple(FillSpec(*fill) for fill in self.arena.fills),
        )
        return variant, {code: machine_code, **self.parts.blobs, **constants.blobs}

    def _segment(self, steps: Sequence[Step]) -> list[StepSpec]:
        """Emit the segment's function; nothing if the segment has no work."""
        calls: dict[int, Call] = {}
        first = len(self.parts.launches)
        self._collect(steps, calls)
        if not calls:
            return []
        number = len(self.segments)
        work = self._shared_work(calls.values())
        if bounds(work, self.memory.ranges)[1] < WORTH_WAKING_FLOP:
            self.serial_segments.append(number)
            work = 0
        self.segments.append(Segment(self.context, f"segment{number}", calls, self.memory).emit(steps))
        return [NativeStep(number, first, len(calls), work if symbols(work) else 0)]

    def _shared_work(self, calls: Iterable[Call]) -> Dim:
        """The work that several threads could share, in flops of one core."""
        total: Dim = 0
        for call in calls:
            if not call.is_serial:
                total = total + core_work(call.launch.kernel)
        return total

    def _collect(self, steps: Sequence[Step], calls: dict[int, Call]) -> None:
        for step in each_step(steps):
            if isinstance(step, Launch):
                calls[id(step)] = self._call(step)
            elif isinstance(step, Branch):
                self.parts.constants.use_condition(step)

    def _call(self, launch: Launch) -> Call:
        kernel, template = launch.kernel, template_of(launch.kernel)
        schedule = self.schedules.get(kernel.key) or self.chosen.get(kernel.key)
        if schedule is None:
            schedule = self.chosen[kernel.key] = template.schedules(kernel, self.target, self.program.sizes)[0]
        key = (kernel.key, schedule)
        if key not in self.functions:
            self.functions[key] = self._kernel(kernel, schedule)
            self.shared_slots[key] = frozenset()
            self.scratch_bytes = max(self.scratch_bytes, template.scratch_bytes(kernel, schedule))
        self.shared_slots[key] |= frozenset(range(len(kernel.slots))) - private_slots(launch, self.memory)
        number = self.parts.add_launch(launch, schedule)
        bindings, is_serial = self.parts.constants.bind(launch, schedule), template.options.read(schedule).is_serial
        return Call(launch, self.functions[key], bindings, is_serial, number, self._regions(launch, bindings))

    def _regions(self, launch: Launch, bindings: Sequence[Binding]) -> list[tuple[Dim, Dim]] | None:
        """The slots' bytes, for checked code."""
        if not self.target.is_checked:
            return None
        constants = {n: s.size for n, s in self.parts.constants.storages().items()}
        return slot_bytes(launch, bindings, {s.number: s.size_bytes for s in self.program.storages} | constants)

    def _kernel(self, kernel: Kernel, schedule: Schedule) -> ir.Function:
        name = f"kernel{len(self.functions)}"
        template = template_of(kernel)
        function = template.emit(self.context, kernel, schedule, name)
        function.attributes.add("noinline")
        if len(function.args) != len(kernel.slots) + 4:
            raise InternalError(
                "E310",
                f"template {schedule.template} made a kernel with {len(function.args)} parameters",
                why=f"the kernel has {len(kernel.slots)} slots, and 4 parameters follow them",
            )
        if self.target.is_checked:
            needed = template.scratch_bytes(kernel, schedule)
            check_accesses(function, len(kernel.slots), len(self.program.symbols), needed)
        return function


def _is_native(step: Step) -> bool:
    return all(isinstance(each, Launch | Branch) for each in each_step((step,)))


def _emit_run(
    module: ir.Module, segments: Sequence[ir.Function], storages: int, per_thread: int, lead: int
) -> ir.Function:
    """One thread's part of any segment. lead: bytes of checked code before the header (check_accesses.py)"""
    run = declare_run(module)
    team, number, buffers, dims, profile, thread, threads = run.args
    builder = ir.IRBuilder(run.append_basic_block("entry"))
    entry = builder.gep(buffers, [ir.Constant(thread.type, storages)], source_etype=POINTER)
    base = builder.load(entry, align=8, typ=POINTER)
    mine = builder.gep(base, [builder.mul(thread, ir.Constant(thread.type, per_thread))], source_etype=I8)
    mine = builder.gep(mine, [ir.Constant(thread.type, lead)], source_etype=I8) if lead else mine
    builder.store(team, mine, align=8)
    scratch = builder.gep(mine, [ir.Constant(thread.type, HEADER_BYTES)], source_etype=I8)
    callers_control = _flush_subnormals(builder)
    done = run.append_basic_block("done")
    choice = builder.switch(number, done)
    for n, function in enumerate(segments):
        block = run.append_basic_block(f"segment{n}")
        choice.add_case(ir.Constant(thread.type, n), block)
        builder.position_at_end(block)
        builder.call(function, [team, buffers, profile, dims, scratch, thread, threads])
        builder.branch(done)
    builder.position_at_end(done)
    _control_intrinsic(builder, "llvm.x86.sse.ldmxcsr", callers_control)
    builder.ret_void()
    return run


def _flush_subnormals(builder: ir.IRBuilder) -> ir.Value:
    """Treat subnormal floats as zero from here on. Returns the place where the caller's control word is saved.

    Subnormals are below 1.2e-38 and matter in no answer, but each costs over a hundred cycles on some processors.
    """
    kept, ours = builder.alloca(I32), builder.alloca(I32)
    _control_intrinsic(builder, "llvm.x86.sse.stmxcsr", kept)
    builder.store(builder.or_(builder.load(kept, typ=I32), I32(FLUSH_TO_ZERO | SUBNORMALS_ARE_ZERO)), ours)
    _control_intrinsic(builder, "llvm.x86.sse.ldmxcsr", ours)
    return kept


def _control_intrinsic(builder: ir.IRBuilder, name: str, place: ir.Value) -> None:
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [POINTER]), name)
    builder.call(function, [place])
