"""Check that a kernel step agrees with its plan: its code, storages, launch number and tensor maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from burnish.dims import Dim, evaluate, symbols
from burnish.plan.manifest import Argument, KernelStep, PointerArgument, ScalarArgument, TensorMapArgument, Variant

MOST_THREADS = 1024
MOST_BLOCKS = (2**31 - 1, 65535, 65535)  # of a grid's axes
MOST_AXES = 5  # of a tensor map
SWIZZLES = (0, 32, 64, 128)
SCALARS = ("i32", "i64")


def of_kernel(
    step: KernelStep, variant: Variant, blob_bytes: Mapping[str, int], largest: Mapping[str, int]
) -> Iterator[str]:
    """Every contradiction in the step. `largest`: the symbols at the profile's maximum."""
    if step.code not in blob_bytes:
        yield f"its code blob '{step.code}' is missing"
    if step.launch >= len(variant.launches):
        yield f"it is launch {step.launch} of {len(variant.launches)}"
    if not 1 <= step.threads <= MOST_THREADS:
        yield f"{step.threads} threads in a block"
    if len(step.grid) != len(MOST_BLOCKS):
        yield f"its grid has {len(step.grid)} axes"
    if unknown := list(unknown_symbols("its grid", step.grid, largest)):
        yield from unknown
    else:
        for size, most in zip(_values(step.grid, largest), MOST_BLOCKS):
            if not 0 <= size <= most:
                yield f"a grid of {size} blocks along an axis that can have {most}"
    for place, argument in enumerate(step.arguments):
        for problem in _of_argument(argument, variant, largest):
            yield f"argument {place}: {problem}"


def unknown_symbols(whose: str, values: Iterable[Dim], largest: Mapping[str, int]) -> Iterator[str]:
    for value in values:
        for name in sorted(symbols(value) - largest.keys()):
            yield f"{whose}: symbol '{name}' of {value} is not declared"


def _of_argument(argument: Argument, variant: Variant, largest: Mapping[str, int]) -> Iterator[str]:
    if isinstance(argument, ScalarArgument):
        if argument.dtype not in SCALARS:
            yield f"a scalar of type '{argument.dtype}', which is none of {', '.join(SCALARS)}"
        yield from unknown_symbols("its value", (argument.value,), largest)
        return
    if argument.storage >= len(variant.storages):
        yield f"storage {argument.storage} of {len(variant.storages)}"
        return
    shape, strides = (argument.shape, argument.strides) if isinstance(argument, TensorMapArgument) else ((), ())
    if unknown := list(unknown_symbols("its place", (argument.offset, *shape, *strides), largest)):
        yield from unknown
        return
    if isinstance(argument, TensorMapArgument) and (problems := list(_of_tensor_map(argument))):
        yield from problems
        return
    first, end = _extent(argument, largest)
    size_bytes = _values([variant.storages[argument.storage].size], largest)[0]
    if first < 0 or end > size_bytes:
        yield f"bytes {first} to {end} of storage {argument.storage}, which has {size_bytes}"


def _of_tensor_map(argument: TensorMapArgument) -> Iterator[str]:
    axes = len(argument.shape)
    if not 1 <= axes <= MOST_AXES or {len(argument.strides), len(argument.box), len(argument.steps)} != {axes}:
        yield f"a tensor map with {axes} sizes, {len(argument.strides)} strides, {len(argument.box)} sides of a box"
        return
    if argument.strides[-1] != 1:
        yield f"the last stride is {argument.strides[-1]}, not 1"
    if not all(1 <= n <= 256 for n in argument.box) or not all(1 <= n <= 8 for n in argument.steps):
        yield f"box {argument.box} with steps {argument.steps}: sides are 1 to 256, steps 1 to 8"
    inner_bytes = argument.box[-1] * argument.dtype.size_bytes
    if argument.swizzle not in SWIZZLES or (argument.swizzle and inner_bytes > argument.swizzle):
        yield f"swizzle {argument.swizzle} with rows of {inner_bytes} bytes"


def _extent(argument: PointerArgument | TensorMapArgument, largest: Mapping[str, int]) -> tuple[int, int]:
    """The bytes of its storage that it certainly accesses."""
    (first,) = _values([argument.offset], largest)
    if isinstance(argument, PointerArgument):
        return first, first
    shape, strides = _values(argument.shape, largest), _values(argument.strides, largest)
    if min(shape) <= 0:
        return first, first
    reach = sum((size - 1) * stride for size, stride in zip(shape, strides))
    return first, first + (reach + 1) * argument.dtype.size_bytes


def _values(sizes: Iterable[Dim], largest: Mapping[str, int]) -> list[int]:
    """The dims at the profile's maximum; -1 for a dim that divides by zero."""
    found = []
    for size in sizes:
        try:
            found.append(evaluate(size, largest))
        except ZeroDivisionError:
            found.append(-1)
    return found
