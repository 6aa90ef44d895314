"""Turns a program and its tactics into cubins, kernel steps and one Variant of the plan.

Each distinct (kernel, schedule) is compiled once, all of them in parallel. The arena holds, from its start:

    counters     of launches that need counters: set to zero when shapes are bound, one after another, never shared
    temporaries  where `plan_memory` placed them
    workspace    of the running launch: launches run one after another, so all of them share it
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from burnish.dims import bounds
from burnish.errors import EnvironmentProblem, UserError
from burnish.index_check import IndexCheck
from burnish.kernels.abilities import Abilities
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Options, Schedule
from burnish.kernels.task import (
    Binding,
    Branch,
    Fail,
    Kernel,
    Launch,
    Program,
    ReferenceStep,
    Slot,
    Step,
    digest_of,
    each_launch,
)
from burnish.kernels.work import bytes_touched, flops
from burnish.plan.manifest import (
    Argument,
    BranchStep,
    FailStep,
    KernelStep,
    LaunchSpec,
    PointerArgument,
    ScalarArgument,
    StepSpec,
    StorageSpec,
    TensorMapArgument,
    Variant,
)
from burnish.plan.native_abi import GPU_ALIGN_BYTES
from burnish.requirement import Requirement
from burnish.target import Target
from burnish.targets.constants import Constants
from burnish.targets.cuda.alignment import is_possible, promise, slot_alignments
from burnish.targets.cuda.compiler.ahead import Ahead
from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.compiler.disassemble import disassemble
from burnish.targets.cuda.compiler.pool import compile_sources
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace
from burnish.targets.cuda.templates import TEMPLATES, emit, schedules_of, template_of
from burnish.targets.keep import Keep, keep_nothing
from burnish.targets.steps import place_storages, reference_step

MOST_WORKSPACE = 64 << 20  # bytes of a launch, if another tactic can be chosen


@dataclass(frozen=True, slots=True)
class CudaCompiler:
    """`targets.Compiler` for a GPU."""

    target: Target

    @property
    def abilities(self) -> Abilities:
        """Tensor cores multiply halves; the copy engine reads zeros around an image; reference kernels are far away."""
        return Abilities(
            computes_half=True,
            pads_in_kernel=True,
            deep_images=True,
            winograd=False,
            adds_products=True,
            spread_rows=False,
            recurrent=False,
            trees=False,
            host_memory=False,
        )

    @property
    def options(self) -> Mapping[str, type[Options]]:
        return {options.template: options for t in TEMPLATES.values() for options in t.options}

    def schedules(self, kernel: Kernel, sizes: Mapping[str, int]) -> list[Schedule]:
        return schedules_of(kernel, self.target, sizes)

    def emit_program(
        self,
        program: Program,
        arena: Arena,
        schedules: Mapping[str, Schedule],
        note: Callable[[str], None] = lambda line: None,
        keep: Keep = keep_nothing,
    ) -> tuple[Variant, dict[str, bytes | memoryview]]:
        """Blobs: cubin/<sha256>, weights/<sha256>, reference/<sha256>.

        raises: E213 for a kernel that its template cannot do; see compiler/compile.py for the compiler's
        """
        emission = Emission(program, arena, self.target, schedules, note, keep)
        return emission.variant(), {**emission.blobs, **emission.constants.blobs}

    def compile_ahead(self) -> Ahead:
        """Compiling takes longer than measuring."""
        return Ahead(self.target)


@dataclass
class Emission:
    """One variant that is being made."""

    program: Program
    arena: Arena
    target: Target
    tactics: Mapping[str, Schedule]
    note: Callable[[str], None] = lambda line: None
    keep: Keep = keep_nothing
    blobs: dict[str, bytes | memoryview] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants = Constants(self.program, template_of)
        self.sizes = {name: opt for name, (_, opt, _) in self.program.symbols.items()}
        self.ranges = {name: (low, high) for name, (low, _, high) in self.program.symbols.items()}
        self.launches: list[LaunchSpec] = []
        self.workspace = Workspaces(self.ranges)
        self.chosen: dict[str, Schedule] = {}
        self.sources: dict[str, Source] = {}
        self.described: dict[str, tuple[str, LaunchSpec]] = {}

    def variant(self) -> Variant:
        self.alignments = slot_alignments(each_launch(self.program.steps))
        for launch in each_launch(self.program.steps):
            self._choose(launch)
        names = {key: self._name(key) for key in self.sources}
        written, self.sources = self.sources, {k: self._kept(s, names[k]) for k, s in self.sources.items()}
        self.cubins = self._compiled(are_edited=written != self.sources)
        for key, cubin in self.cubins.items():
            self.keep("assembly", f"{names[key]}.s", partial(disassemble, cubin))
        bound = {id(x): self.constants.bind(x, self.chosen[x.kernel.key]) for x in each_launch(self.program.steps)}
        self.constants.keep_outputs()
        self.bound = bound
        self.workspace.first = max([len(self.program.storages) - 1, *self.constants.storages()]) + 1
        steps = self._steps(self.program.steps)
        start = self.workspace.counter_bytes
        offsets = {n: start + offset for n, offset in self.arena.offsets.items()}
        storages = place_storages(self.program, offsets, self.constants.storages())
        own = self.workspace.storages(start + _aligned(self.arena.size_bytes))
        return Variant(
            target=str(self.target),
            code="",
            storages=(*storages, *own),
            arena_bytes=start + _aligned(self.arena.size_bytes) + self.workspace.shared_bytes,
            zero_bytes=start + self.arena.zero_bytes,
            scratch_bytes=0,
            steps=tuple(steps),
            launches=tuple(self.launches),
        )

    def _compiled(self, are_edited: bool) -> dict[str, Cubin]:
        """By kernel key. E626 for an edited source that does not compile."""
        try:
            return dict(zip(self.sources, compile_sources([(s, self.target) for s in self.sources.values()])))
        except Exception as error:
            if not are_edited or isinstance(error, EnvironmentProblem):
                raise
            where, why = getattr(error, "where", ""), getattr(error, "why", "") or f"{type(error).__name__}: {error}"
            what = f"an edited source does not compile for {self.target}"
            hint = "mend it in the folder of --override"
            raise UserError("E626", what, where=where, why=why, hint=hint) from error

    def _name(self, key: str) -> str:
        """A kernel's name for people: its template, and the beginning of its text's digest."""
        digest = hashlib.sha256(self.sources[key].text.encode()).hexdigest()
        return f"{self.target}-{self.chosen[key].template}-{digest[:8]}"

    def _kept(self, source: Source, name: str) -> Source:
        edited = self.keep("source", f"{name}.py", lambda: source.annotated)
        return source if edited is None else replace(source, text=edited, origins=())

    def _choose(self, launch: Launch) -> None:
        """The tactic, or the first alternative if the tactic copies whole boxes from an address where no box can begin.

        A tactic chosen for the usual sizes is also replaced if it needs much workspace at the largest sizes.
        """
        kernel = launch.kernel
        if kernel.key in self.chosen:
            return
        alignment = self.alignments[kernel.key]
        tactic = self.tactics.get(kernel.key)
        candidates = itertools.chain([tactic] if tactic else [], schedules_of(kernel, self.target, self.sizes))
        emitted = ((s, emit(kernel, s, self.target)) for s in candidates)
        possible = ((s, e) for s, e in emitted if is_possible(e, alignment))
        first = next(possible, None)
        if first is None:
            raise _no_kernel(launch, self.target)
        found = next((each for each in itertools.chain([first], possible) if self._is_modest(each[1])), first)
        self._note_limit(launch, first, found)
        self.chosen[kernel.key], self.sources[kernel.key] = found[0], promise(found[1], alignment)

    def _is_modest(self, source: Source) -> bool:
        """Is the workspace small for all sizes, and within the build's limit?"""
        limit = self.program.workspace
        return self._workspace_bytes(source) <= (MOST_WORKSPACE if limit is None else min(MOST_WORKSPACE, limit))

    def _workspace_bytes(self, source: Source) -> int:
        sizes = (p.size_bytes for p in source.parameters if isinstance(p, Workspace))
        return sum(bounds(size, self.ranges)[1] for size in sizes)

    def _note_limit(self, launch: Launch, first: tuple[Schedule, Source], found: tuple[Schedule, Source]) -> None:
        """Note that the build's limit excluded a tactic, or is exceeded because there is no other tactic."""
        limit, needed = self.program.workspace, self._workspace_bytes(first[1])
        if limit is None or not limit < needed <= MOST_WORKSPACE:
            return
        fate = "has no tactic that needs less" if found is first else f"does without {first[0]}"
        self.note(f"'{launch.name}' {fate}: it needs {needed:,} bytes for itself, and the workspace is {limit:,}")

    # -- steps ----------------------------------------------------------------------------------------------------

    def _steps(self, steps: Sequence[Step]) -> list[StepSpec]:
        return [self._step(step) for step in steps]

    def _step(self, step: Step) -> StepSpec:
        if isinstance(step, Launch):
            return self._launch(step)
        if isinstance(step, ReferenceStep):
            self.constants.use(step)
            spec, launch = reference_step(step, len(self.launches))
            self.blobs[spec.blob] = step.model
            self.launches.append(launch)
            return spec
        if isinstance(step, Requirement | IndexCheck):
            return step
        if isinstance(step, Fail):
            return FailStep(step.name, step.reason)
        assert isinstance(step, Branch) and step.condition.offset == 0, step
        self.constants.use_condition(step)
        then, otherwise = self._steps(step.then), self._steps(step.otherwise)
        return BranchStep(step.condition.storage, tuple(then), tuple(otherwise))

    def _launch(self, launch: Launch) -> KernelStep:
        kernel = launch.kernel
        source, cubin = self.sources[kernel.key], self.cubins[kernel.key]
        if kernel.key not in self.described:
            self.described[kernel.key] = self._describe(kernel)
        code, described = self.described[kernel.key]
        number = len(self.launches)
        self.launches.append(replace(described, name=launch.name, nodes=launch.nodes))
        return KernelStep(
            code=code,
            entry=cubin.entry,
            grid=source.grid,
            threads=cubin.threads,
            shared_bytes=cubin.shared_bytes,
            arguments=tuple(self._arguments(source, cubin, kernel.slots, self.bound[id(launch)])),
            launch=number,
            overlaps=source.overlaps,
        )

    def _describe(self, kernel: Kernel) -> tuple[str, LaunchSpec]:
        """The parts that all launches of a kernel share: its code's name, and the plan's description of its work."""
        content = self.cubins[kernel.key].content
        code = f"cubin/{hashlib.sha256(content).hexdigest()}"
        self.blobs[code] = content
        work = (flops(kernel), bytes_touched(kernel))
        tactic = str(self.chosen[kernel.key])
        return code, LaunchSpec("", type(kernel).__name__, (), tactic, *work, digest_of(kernel))

    def _arguments(
        self, source: Source, cubin: Cubin, slots: Sequence[Slot], bindings: Sequence[Binding]
    ) -> list[Argument]:
        """All parameters of the machine code, in order."""
        found: list[Argument] = []
        maps = iter(cubin.maps)
        spaces = self.workspace.of_launch(source)
        for parameter in source.parameters:
            if isinstance(parameter, Pointer):
                at = bindings[parameter.slot]
                found.append(PointerArgument(at.storage, at.offset * slots[parameter.slot].dtype.size_bytes))
            elif isinstance(parameter, Size):
                found.append(ScalarArgument(parameter.value, parameter.dtype.value))
            elif isinstance(parameter, Workspace):
                found.append(spaces[parameter.name])
            else:
                found += _tensor_map(parameter, bindings[parameter.slot], *next(maps))
        return found + [ScalarArgument(0, "i64")] * cubin.trailing_pointers


def _tensor_map(parameter: TensorMap, at: Binding, box: tuple[int, ...], swizzle: int) -> list[Argument]:
    """Triton passes a descriptor as the map, the tensor's sizes (i32) and its strides (i64)."""
    offset = (at.offset + parameter.offset) * parameter.dtype.size_bytes
    steps = parameter.steps or (1,) * len(parameter.shape)
    encoded = TensorMapArgument(
        at.storage, offset, parameter.dtype, parameter.shape, parameter.strides, box, steps, swizzle
    )
    sizes = [ScalarArgument(n, "i32") for n in parameter.shape]
    return [encoded, *sizes, *(ScalarArgument(n, "i64") for n in parameter.strides)]


@dataclass
class Workspaces:
    """Memory that belongs to launches. `first`: number of the counters' storage; the shared workspace comes next."""

    ranges: Mapping[str, tuple[int, int]]
    first: int = 0
    counter_bytes: int = 0
    shared_bytes: int = 0

    def of_launch(self, source: Source) -> dict[str, Argument]:
        """An address for each workspace of a launch."""
        found: dict[str, Argument] = {}
        used = 0
        for space in source.parameters:
            if isinstance(space, Workspace):
                size = _aligned(bounds(space.size_bytes, self.ranges)[1])
                if space.zeroed:
                    found[space.name] = PointerArgument(self.first, self.counter_bytes)
                    self.counter_bytes += size
                else:
                    found[space.name] = PointerArgument(self.first + 1, used)
                    used += size
        self.shared_bytes = max(self.shared_bytes, used)
        return found

    def storages(self, shared_offset: int) -> tuple[StorageSpec, ...]:
        return (
            StorageSpec(self.first, "arena", self.counter_bytes, 0),
            StorageSpec(self.first + 1, "arena", self.shared_bytes, shared_offset),
        )


def _no_kernel(launch: Launch, target: Target) -> UserError:
    slots = ", ".join(map(str, launch.kernel.slots))
    return UserError(
        "E213",
        f"{type(launch.kernel).__name__} has no kernel for {target}",
        where=f"launch '{launch.name}', nodes {', '.join(launch.nodes) or 'none'}",
        why=f"no schedule of its template fits {slots}",
        hint="build for a cpu target, or for a newer GPU; an Attention's heads may have 256 elements at most",
    )


def _aligned(size: int) -> int:
    return -(-size // GPU_ALIGN_BYTES) * GPU_ALIGN_BYTES
