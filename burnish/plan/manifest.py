"""A plan's manifest as dataclasses. `plan.format` turns them into canonical JSON and back.

The manifest is the contract between the build (which writes it) and the runtime (which reads it and nothing else).
Nothing here names a host, a path or a time. Shapes and sizes are dims, so that one plan serves a whole profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.index_check import IndexCheck
from burnish.requirement import Requirement

FORMAT_VERSION = 1
REFERENCE = "Reference"  # the kernel name in the LaunchSpec of a ReferenceStepSpec


@dataclass(frozen=True, slots=True)
class SymbolRange:
    """A named dimension and the profile's range for it. `from_data`: found during the run, not from inputs' shapes."""

    name: str
    min: int
    opt: int
    max: int
    from_data: bool = False


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A dense row-major tensor in a storage: an input, an output, or what a reference step reads and writes."""

    name: str
    dtype: DType
    shape: tuple[Dim, ...]
    storage: int


@dataclass(frozen=True, slots=True)
class StorageSpec:
    """A block of bytes, bound to entry `number` of the buffer table.

    kind      input | output  the caller's (or the context's) array
              constant        `blob` names its bytes in the plan
              arena           at `offset` in the context's arena; `size` is its size at the profile's maximum
              dynamic         allocated during the run, when the symbols of `size` are known
    """

    number: int
    kind: str
    size: Dim
    offset: int = 0
    blob: str = ""


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """One kernel launch, for profiles and inspection. Index in `Variant.launches` = its place in the profile array.

    task: the kernel's digest, its key in timing caches; empty for a launch without a tactic
    """

    name: str
    kernel: str  # Loops, Contraction ...
    nodes: tuple[str, ...]
    tactic: str
    flops: Dim = 0
    bytes: Dim = 0
    task: str = ""


@dataclass(frozen=True, slots=True)
class NativeStep:
    """Call native segment `segment`; it does launches [first, first + count).

    shared_work: flops that threads can share (a byte counts as five), if shapes decide whether waking the threads
                 pays. 0: the code itself decides
    """

    segment: int
    first: int
    count: int
    shared_work: Dim = 0


@dataclass(frozen=True, slots=True)
class PointerArgument:
    """The address of a storage's byte `offset`."""

    storage: int
    offset: Dim = 0


@dataclass(frozen=True, slots=True)
class ScalarArgument:
    """A number that shapes decide; dtype is i32 or i64."""

    value: Dim
    dtype: str = "i32"


@dataclass(frozen=True, slots=True)
class TensorMapArgument:
    """A tensor as the GPU's copy engine sees it: 128 bytes that the driver encodes when shapes are bound.

    shape, strides   outer to inner; strides in elements, the last one is 1
    box              elements that one copy takes along each axis; steps: it takes every n-th one
    swizzle          bytes of the shared memory's pattern: 0, 32, 64, 128; elements outside the tensor read as zero
    """

    storage: int
    offset: Dim  # bytes
    dtype: DType
    shape: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    box: tuple[int, ...]
    steps: tuple[int, ...]
    swizzle: int


Argument = PointerArgument | ScalarArgument | TensorMapArgument


@dataclass(frozen=True, slots=True)
class KernelStep:
    """Launch one GPU kernel; `arguments` are all its parameters, in order. `launch`: its place in the profile array.

    overlaps: the kernel waits for the one before it by itself (programmatic dependent launch), so it may start early
    """

    code: str  # blob: a cubin
    entry: str
    grid: tuple[Dim, Dim, Dim]
    threads: int  # of a block
    shared_bytes: int
    arguments: tuple[Argument, ...]
    launch: int
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceStepSpec:
    """Run the one-node ONNX model in `blob` on the reference kernel. Output shapes bind the from_data symbols."""

    name: str
    op_type: str
    blob: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    launch: int  # its place in the profile array


@dataclass(frozen=True, slots=True)
class BranchStep:
    """If the bool at byte 0 of `condition` is true, do `then`, else `otherwise` (only where a branch is not native)."""

    condition: int
    then: tuple[StepSpec, ...]
    otherwise: tuple[StepSpec, ...]


@dataclass(frozen=True, slots=True)
class FailStep:
    """Refuse to go on (E515): this side of an If cannot run at the plan's shapes."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Presentation:
    """An output that callers get in a form other than a numeric tensor.

    form    maps   a list of dicts, one for each row of the output: keys[i] -> element i (ONNX's ZipMap)
            names  an array of str: keys[element] (the labels of a classifier)
    """

    output: str
    form: str
    keys: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class OutputShape:
    """An output whose rank the data of a run decides: its tensor holds the elements in a row, `shape` its shape."""

    output: str
    shape: TensorSpec


@dataclass(frozen=True, slots=True)
class DefaultSpec:
    """The default of an input that the caller leaves out: the bytes in `blob`, row-major."""

    input: str
    shape: tuple[int, ...]
    blob: str


StepSpec = NativeStep | KernelStep | ReferenceStepSpec | BranchStep | FailStep | Requirement | IndexCheck


@dataclass(frozen=True, slots=True)
class FillSpec:
    """Bytes of the arena that all have one value when shapes are bound."""

    offset: int
    size_bytes: int
    byte: int


@dataclass(frozen=True, slots=True)
class Variant:
    """The plan for one target."""

    target: str  # str(burnish.target.Target)
    code: str  # blob: object code with the entry points of docs/native-abi.md; "" where each KernelStep names its own
    storages: tuple[StorageSpec, ...]
    arena_bytes: int
    zero_bytes: int  # bytes at the arena's start that are zeroed when shapes are bound (halos)
    scratch_bytes: int  # per thread
    steps: tuple[StepSpec, ...]
    launches: tuple[LaunchSpec, ...]
    fills: tuple[FillSpec, ...] = ()  # what else is filled then: pads that are not zero


def each_step(steps: Sequence[StepSpec]) -> Iterator[StepSpec]:
    """Every step, in order; a branch comes before the steps of its two sides."""
    for step in steps:
        yield step
        if isinstance(step, BranchStep):
            yield from each_step(step.then)
            yield from each_step(step.otherwise)


def code_blobs(variant: Variant) -> tuple[str, ...]:
    """The blobs that hold the variant's machine code, each once."""
    found = dict.fromkeys([variant.code] if variant.code else [])
    found |= dict.fromkeys(step.code for step in each_step(variant.steps) if isinstance(step, KernelStep))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything but the blobs. Symbols stand in the order of the native dims table."""

    producer: str  # "burnish 0.1.0"
    model_name: str
    model_sha256: str
    options: dict[str, Any]
    symbols: tuple[SymbolRange, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    variants: tuple[Variant, ...]
    notes: tuple[str, ...] = ()  # notes for a reader: reference fallbacks with their node names ...
    accuracy: dict[str, Any] = field(default_factory=dict)
    graph: str = ""  # blob: the optimised graph as ONNX, without its weights
    presentations: tuple[Presentation, ...] = ()
    defaults: tuple[DefaultSpec, ...] = ()
    output_shapes: tuple[OutputShape, ...] = ()
