"""Check that a manifest is consistent. Every number that refers to something is followed before anything runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from burnish.dims import evaluate
from burnish.dtypes import DType
from burnish.index_check import IndexCheck
from burnish.plan.check_kernel import of_kernel, unknown_symbols
from burnish.plan.manifest import (
    BranchStep,
    FailStep,
    KernelStep,
    Manifest,
    NativeStep,
    StepSpec,
    StorageSpec,
    TensorSpec,
    Variant,
    each_step,
)
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES
from burnish.requirement import HOLDS, Requirement

FORMS = ("maps", "names")
KINDS = ("input", "output", "constant", "arena", "dynamic")


def contradictions(manifest: Manifest, blob_bytes: Mapping[str, int]) -> Iterator[str]:
    """Every contradiction in the manifest, in words. Empty for a consistent manifest.

    blob_bytes: the size of every blob in the file
    """
    largest = {s.name: s.max for s in manifest.symbols}
    yield from _repeated("symbol", (s.name for s in manifest.symbols))
    yield from _repeated("input", (t.name for t in manifest.inputs))
    yield from _repeated("output", (t.name for t in manifest.outputs))
    yield from _repeated("target", (v.target for v in manifest.variants))
    for s in manifest.symbols:
        if not s.from_data and not s.min <= s.opt <= s.max:
            yield f"symbol '{s.name}' has min {s.min}, opt {s.opt}, max {s.max}"
    if manifest.graph and manifest.graph not in blob_bytes:
        yield f"the graph's blob '{manifest.graph}' is missing"
    yield from _of_surface(manifest, blob_bytes)
    for variant in manifest.variants:
        for problem in _of_variant(variant, manifest, blob_bytes, largest):
            yield f"variant {variant.target}: {problem}"


def _of_variant(
    variant: Variant, manifest: Manifest, blob_bytes: Mapping[str, int], largest: Mapping[str, int]
) -> Iterator[str]:
    if variant.code and variant.code not in blob_bytes:
        yield f"its code blob '{variant.code}' is missing"
    for place, storage in enumerate(variant.storages):
        if storage.number != place:
            yield f"storage {storage.number} stands in place {place}"
        for problem in _of_storage(storage, variant, blob_bytes, largest):
            yield f"storage {storage.number}: {problem}"
    for start, size in ((0, variant.zero_bytes), *((f.offset, f.size_bytes) for f in variant.fills)):
        if start + size > variant.arena_bytes:
            yield f"bytes {start} to {start + size} of an arena of {variant.arena_bytes} are to be filled"
    for tensor in (*manifest.inputs, *manifest.outputs, *(s.shape for s in manifest.output_shapes)):
        yield from _of_tensor(tensor, variant, largest)
    for launch in variant.launches:
        yield from unknown_symbols(f"launch '{launch.name}'", (launch.flops, launch.bytes), largest)
    yield from _of_steps(variant.steps, variant, blob_bytes, largest)


def _of_surface(manifest: Manifest, blob_bytes: Mapping[str, int]) -> Iterator[str]:
    """Contradictions in the forms of outputs and the defaults of inputs."""
    outputs, inputs = ({t.name: t for t in group} for group in (manifest.outputs, manifest.inputs))
    yield from _repeated("presentation of", (p.output for p in manifest.presentations))
    yield from _repeated("default of", (d.input for d in manifest.defaults))
    for shown in manifest.presentations:
        if shown.output not in outputs or shown.form not in FORMS:
            yield f"output '{shown.output}' is to be shown as '{shown.form}'"
    for told in manifest.output_shapes:
        if told.output not in outputs or told.shape.dtype is not DType.I64 or len(told.shape.shape) != 1:
            yield f"'{told.shape.name}' cannot be the shape of output '{told.output}'"
    for default in manifest.defaults:
        tensor = inputs.get(default.input)
        if tensor is None or tensor.dtype is DType.STRING or len(default.shape) != len(tensor.shape):
            yield f"input '{default.input}' has a default of rank {len(default.shape)}"
        elif blob_bytes.get(default.blob, -1) != math.prod(default.shape) * tensor.dtype.size_bytes:
            yield f"the default of input '{default.input}' is not what blob '{default.blob}' holds"


def _of_storage(
    storage: StorageSpec, variant: Variant, blob_bytes: Mapping[str, int], largest: Mapping[str, int]
) -> Iterator[str]:
    if storage.kind not in KINDS:
        yield f"kind '{storage.kind}' is none of {', '.join(KINDS)}"
    if unknown := list(unknown_symbols("its size", (storage.size,), largest)):
        yield from unknown
        return
    if (storage.kind == "constant") != (storage.blob != ""):
        yield f"kind '{storage.kind}' with blob '{storage.blob}'"
    if storage.kind not in ("constant", "arena"):
        return
    try:
        size_bytes = evaluate(storage.size, largest)
    except ZeroDivisionError:
        yield "its size divides by zero"
        return
    if storage.kind == "constant":
        if blob_bytes.get(storage.blob, -1) < size_bytes:
            yield f"needs {size_bytes} bytes of blob '{storage.blob}', which has {blob_bytes.get(storage.blob, 0)}"
    elif storage.offset % STORAGE_ALIGN_BYTES or size_bytes < 0 or storage.offset + size_bytes > variant.arena_bytes:
        yield f"bytes {storage.offset} to {storage.offset + size_bytes} of an arena of {variant.arena_bytes}"


def _of_tensor(tensor: TensorSpec, variant: Variant, largest: Mapping[str, int]) -> Iterator[str]:
    if tensor.storage >= len(variant.storages):
        yield f"tensor '{tensor.name}' lies in storage {tensor.storage} of {len(variant.storages)}"
    yield from unknown_symbols(f"tensor '{tensor.name}'", tensor.shape, largest)


def _of_steps(
    steps: Sequence[StepSpec], variant: Variant, blob_bytes: Mapping[str, int], largest: Mapping[str, int]
) -> Iterator[str]:
    for step in each_step(steps):
        if isinstance(step, NativeStep):
            if step.first + step.count > len(variant.launches):
                yield f"a step does launches {step.first} to {step.first + step.count} of {len(variant.launches)}"
            if not variant.code:
                yield f"segment {step.segment} is native, and there is no native code"
            yield from unknown_symbols(f"segment {step.segment}", (step.shared_work,), largest)
        elif isinstance(step, KernelStep):
            for problem in of_kernel(step, variant, blob_bytes, largest):
                yield f"kernel '{step.entry}': {problem}"
        elif isinstance(step, BranchStep):
            if step.condition >= len(variant.storages):
                yield f"a branch asks storage {step.condition} of {len(variant.storages)}"
        elif isinstance(step, Requirement):
            if step.rule not in HOLDS:
                yield f"a requirement's rule '{step.rule}' is none of {', '.join(HOLDS)}"
            yield from unknown_symbols(f"requirement '{step.what}'", (step.left, step.right), largest)
        elif isinstance(step, IndexCheck):
            if step.storage >= len(variant.storages) or variant.storages[step.storage].kind != "output":
                yield f"index check '{step.what}' reads storage {step.storage}, which is no output of the plan"
            yield from unknown_symbols(f"index check '{step.what}'", (step.low, step.high), largest)
        elif not isinstance(step, FailStep):
            if step.blob not in blob_bytes:
                yield f"reference step '{step.name}': its blob '{step.blob}' is missing"
            if step.launch >= len(variant.launches):
                yield f"reference step '{step.name}' is launch {step.launch} of {len(variant.launches)}"
            for tensor in (*step.inputs, *step.outputs):
                yield from _of_tensor(tensor, variant, largest)


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what} '{name}' is there {count} times"
