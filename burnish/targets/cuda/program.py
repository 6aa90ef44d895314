"""Turns a program and its tactics into cubins, kernel steps and one Variant of the plan.

Each distinct (kernel, schedule) is compiled once, all of them in parallel. The arena holds, from its start:

    counters     of launches that need counters: set to zero when shapes are bound, one after another, never shared
    temporaries  where `plan_memory` placed them
    workspace    of the running launch: launches run one after another, so all of them share it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from burnish.dims import bounds
from burnish.errors import EnvironmentProblem, UserError
from burnish.kernels.abilities import Abilities
from burnish.kernels.arena import Arena
from burnish.kernels.schedule import Options, Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Kernel, Launch, Program, Step, each_launch
from burnish.plan.manifest import (
    Argument,
    KernelStep,
    PointerArgument,
    ScalarArgument,
    StorageSpec,
    TensorMapArgument,
    Variant,
)
from burnish.plan.native_abi import GPU_ALIGN_BYTES
from burnish.target import Target
from burnish.targets.constants import Constants
from burnish.targets.cuda.chips import FLOAT8_CAPABILITY
from burnish.targets.cuda.choose import Choice, choose
from burnish.targets.cuda.compiler.ahead import Ahead
from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.compiler.disassemble import disassemble
from burnish.targets.cuda.compiler.pool import compile_sources
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace
from burnish.targets.cuda.templates import TEMPLATES, schedules_of, template_of
from burnish.targets.keep import Keep, keep_nothing
from burnish.targets.steps import Parts, make_steps, place_storages


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
            integer_products=True,
            byte_tiles=True,
            float8=self.target.capability >= FLOAT8_CAPABILITY,
            stores_float8=self.target.capability >= FLOAT8_CAPABILITY,
            quotients=True,
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
        kernels = _compile(choose(program, self.target, schedules, note), self.target, keep)
        parts = Parts(Constants(program, template_of))
        variant = _variant(program, arena, self.target, kernels, parts)
        return variant, {**parts.blobs, **parts.constants.blobs}

    def compile_ahead(self) -> Ahead:
        """Compiling takes longer than measuring."""
        return Ahead(self.target)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel's schedule, source and machine code."""

    schedule: Schedule
    source: Source
    cubin: Cubin


def _compile(chosen: Mapping[str, Choice], target: Target, keep: Keep) -> dict[str, Compiled]:
    """Every kernel, by its key. E626 for an edited source that does not compile."""
    names = {key: _name(choice, target) for key, choice in chosen.items()}
    sources = {key: _kept(choice.source, names[key], keep) for key, choice in chosen.items()}
    try:
        cubins = compile_sources([(source, target) for source in sources.values()])
    except Exception as error:
        are_edited = any(sources[key] != choice.source for key, choice in chosen.items())
        if not are_edited or isinstance(error, EnvironmentProblem):
            raise
        where, why = getattr(error, "where", ""), getattr(error, "why", "") or f"{type(error).__name__}: {error}"
        what = f"an edited source does not compile for {target}"
        raise UserError("E626", what, where=where, why=why, hint="mend it in the folder of --override") from error
    for name, cubin in zip(names.values(), cubins, strict=True):
        keep("assembly", f"{name}.s", partial(disassemble, cubin))
    return {key: Compiled(chosen[key].schedule, sources[key], cubin) for key, cubin in zip(chosen, cubins, strict=True)}


def _name(choice: Choice, target: Target) -> str:
    """A kernel's name for people: its template, and the beginning of its text's digest."""
    digest = hashlib.sha256(choice.source.text.encode()).hexdigest()
    return f"{target}-{choice.schedule.template}-{digest[:8]}"


def _kept(source: Source, name: str, keep: Keep) -> Source:
    edited = keep("source", f"{name}.py", lambda: source.annotated)
    return source if edited is None else replace(source, text=edited, origins=())


def _variant(program: Program, arena: Arena, target: Target, kernels: Mapping[str, Compiled], parts: Parts) -> Variant:
    constants = parts.constants
    bound = {id(x): constants.bind(x, kernels[x.kernel.key].schedule) for x in each_launch(program.steps)}
    constants.keep_outputs()
    workspace = Workspaces(program.ranges, max([len(program.storages) - 1, *constants.storages()]) + 1)
    launches = Launches(kernels, bound, workspace, parts)
    steps = make_steps(program.steps, parts, lambda step: isinstance(step, Launch), launches.steps)
    start = workspace.counter_bytes
    offsets = {n: start + offset for n, offset in arena.offsets.items()}
    storages = place_storages(program, offsets, constants.storages())
    own = workspace.storages(start + _aligned(arena.size_bytes))
    return Variant(
        target=str(target),
        code="",
        storages=(*storages, *own),
        arena_bytes=start + _aligned(arena.size_bytes) + workspace.shared_bytes,
        zero_bytes=start + arena.zero_bytes,
        scratch_bytes=0,
        steps=steps,
        launches=tuple(parts.launches),
    )


@dataclass(frozen=True, slots=True)
class Launches:
    """Makes the steps of a program's launches. bound: each launch's bindings, by its identity."""

    kernels: Mapping[str, Compiled]
    bound: Mapping[int, tuple[Binding, ...]]
    workspace: Workspaces
    parts: Parts

    def steps(self, steps: Sequence[Step]) -> Iterator[KernelStep]:
        return (self._launch(step) for step in steps if isinstance(step, Launch))

    def _launch(self, launch: Launch) -> KernelStep:
        kernel = self.kernels[launch.kernel.key]
        source, cubin = kernel.source, kernel.cubin
        code = f"cubin/{hashlib.sha256(cubin.content).hexdigest()}"
        self.parts.blobs[code] = cubin.content
        return KernelStep(
            code=code,
            entry=cubin.entry,
            grid=source.grid,
            threads=cubin.threads,
            shared_bytes=cubin.shared_bytes,
            arguments=tuple(self._arguments(source, cubin, launch.kernel.slots, self.bound[id(launch)])),
            launch=self.parts.add_launch(launch, kernel.schedule),
            overlaps=source.overlaps,
        )

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
    first: int
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


def _aligned(size: int) -> int:
    return -(-size // GPU_ALIGN_BYTES) * GPU_ALIGN_BYTES
