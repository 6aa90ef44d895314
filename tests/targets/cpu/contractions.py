"""Contraction kernels to test: products and convolutions with their operands and a float64 answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.dims import Dim, evaluate
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store
from burnish.ops.language.expr import Axis, Expr, acc, axis, binary, const, load
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.run_kernel import Compiled, aligned

Array = np.ndarray[Any, Any]
F32 = DType.F32


@dataclass
class Case:
    """A kernel, its operands (B unpacked, as the kernel's doc says) and what the output slot must hold afterwards."""

    kernel: Contraction
    a: Array
    b: Array
    others: list[Array]
    expected: Array
    tolerance: float
    sizes: Mapping[str, int] = field(default_factory=dict)
    output: int = 2


def check(case: Case, schedule: Schedule, target: Target, thread_counts: Sequence[int] = (1, 2, 3)) -> Array:
    """Run with each number of threads: the answer is right, together threads write every element, and nothing else.

    returns: the answer of the last run
    """
    assert contraction.legal(case.kernel, schedule, target)
    b, others = case.b, case.others
    if case.kernel.packed:
        b = as_aligned(contraction.pack(case.kernel, schedule, 1, b))
    if case.kernel.blocks is not None:
        others = [as_aligned(contraction.pack(case.kernel, schedule, 2 + n, x)) for n, x in enumerate(others)]
    compiled = Compiled(
        lambda context: contraction.emit(context, case.kernel, schedule, "kernel"), target, sorted(case.sizes)
    )
    slot = case.kernel.slots[case.output]
    shape = [evaluate(d, case.sizes) for d in slot.shape]
    strides = [evaluate(d, case.sizes) for d in slot.strides]
    reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides)) if min(shape) else 0
    for threads in thread_counts:
        whole = aligned((reach + 128) * slot.dtype.size_bytes).view(slot.dtype.numpy)
        whole[:] = 77
        view = np.lib.stride_tricks.as_strided(whole[64:], shape, [s * slot.dtype.size_bytes for s in strides])
        operands = [case.a, b, *others]
        operands.insert(case.output, whole[64:])
        compiled(operands, case.sizes, threads, max(1 << 16, contraction.scratch_bytes(case.kernel, schedule)))
        found = view.astype(np.float64)
        np.testing.assert_allclose(
            found, case.expected, rtol=case.tolerance, atol=case.tolerance, err_msg=str(schedule)
        )
        view[...] = 77
        assert (whole == 77).all(), f"{schedule}: wrote outside its output"
    return found


def as_aligned(array: Array) -> Array:
    """The same elements from a 64-byte boundary, flat."""
    result = aligned(array.nbytes).view(array.dtype)
    result[:] = array.ravel()
    return result


def strided(
    rng: np.random.Generator, shape: Sequence[int], strides: Sequence[int], dtype: DType
) -> tuple[Array, Array]:
    """Random values at the strides: the flat memory, and the logical view."""
    reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides)) if all(shape) else 0
    flat = as_aligned(np.zeros(max(reach, 1), dtype.numpy))
    view = np.lib.stride_tricks.as_strided(flat, shape, [s * dtype.size_bytes for s in strides])
    view[...] = random(rng, shape, dtype)
    return flat, view


def random(rng: np.random.Generator, shape: Sequence[int], dtype: DType) -> Array:
    """Normal floats, or integers over the whole of 8 bits (of 9, if the type has more)."""
    if dtype.is_float:
        return rng.standard_normal(shape).astype(dtype.numpy)
    low, high = (0, 256) if not dtype.is_signed else (-128, 128) if dtype is DType.I8 else (-256, 256)
    return rng.integers(low, high, shape).astype(dtype.numpy)


def accumulator(dtype: DType) -> DType:
    if dtype is DType.F64:
        return DType.F64
    return F32 if dtype.is_float else DType.I32


def tolerance(dtype: DType, depth: int) -> float:
    """One rounding a product and one a sum, of values around sqrt(depth)."""
    unit = {DType.F64: 2.0**-52, DType.F32: 2.0**-23}.get(dtype, 2.0**-23)
    return 8 * unit * max(depth, 4) if dtype.is_float else 0.0


def matmul(
    m: int,
    n: int,
    k: int,
    *,
    batch: int = 1,
    dtype: DType = F32,
    b_dtype: DType | None = None,
    b_layout: str = "packed",
    a_pad: int = 0,
    out_pad: int = 0,
    epilogue: str = "none",
    symbols: Sequence[str] = (),
    shared_b: bool = True,
    seed: int = 0,
) -> Case:
    """[batch, m, k] @ [k, n] (or [batch, k, n]).

    b_layout: packed, rows (n contiguous), columns (k contiguous), loose (neither)
    """
    rng = np.random.default_rng(seed)
    b_dtype = b_dtype or dtype
    sizes = {s: {"batch": batch, "m": m, "n": n, "k": k}[s] for s in symbols}
    dims: dict[str, Dim] = {s: _dim(s, v, symbols) for s, v in {"batch": batch, "m": m, "n": n, "k": k}.items()}
    g, p, q, r = (Axis(s, dims[s]) for s in ("batch", "m", "n", "k"))
    a_row = dims["k"] + a_pad
    a_slot = Slot(dtype, (dims["batch"], dims["m"], dims["k"]), (dims["m"] * a_row, a_row, 1))
    steps = {
        "packed": (dims["n"], 1),
        "rows": (dims["n"] + 3, 1),
        "columns": (1, dims["k"] + 2),
        "loose": (2, 2 * dims["k"] + 3),
    }
    kr, nr = steps[b_layout]
    group = 0 if shared_b else kr * dims["k"] + nr * dims["n"]
    b_slot = Slot(b_dtype, (dims["batch"], dims["k"], dims["n"]), (group, kr, nr))
    out_row = dims["n"] + out_pad
    kept = accumulator(dtype)
    out = Slot(kept, (dims["batch"], dims["m"], dims["n"]), (dims["m"] * out_row, out_row, 1))
    value, slots, others, extra = _epilogue(rng, epilogue, kept, (g, p, q), (batch, m, n), dims)
    kernel = Contraction(
        (a_slot, b_slot, out, *slots),
        (g, p),
        q,
        (r,),
        ((g, dims["m"] * a_row), (p, a_row), (r, 1)),
        ((g, group), (r, kr), (q, nr)) if group != 0 else ((r, kr), (q, nr)),
        b_layout == "packed",
        (Store(2, (axis(g), axis(p), axis(q)), value),),
    )
    a, a_view = strided(rng, (batch, m, k), [evaluate(s, sizes) for s in a_slot.strides], dtype)
    b, b_view = strided(rng, (1 if shared_b else batch, k, n), [evaluate(s, sizes) for s in b_slot.strides], b_dtype)
    product = a_view.astype(np.float64) @ b_view.astype(np.float64)
    given = np.ascontiguousarray(b_view if not shared_b else b_view[0]) if b_layout == "packed" else b
    return Case(kernel, a, given, others, extra(product), tolerance(dtype, k), sizes)


def _dim(name: str, value: int, symbols: Sequence[str]) -> Dim:
    from burnish.dims import symbol

    return symbol(name) if name in symbols else value


def _epilogue(
    rng: np.random.Generator,
    kind: str,
    dtype: DType,
    axes: tuple[Axis, ...],
    shape: tuple[int, ...],
    dims: Mapping[str, Dim],
) -> tuple[Expr, list[Slot], list[Array], Any]:
    """The stored value, its slots and arrays, and what it does to the product in float64."""
    value = acc(0, dtype)
    if kind == "none":
        return value, [], [], lambda p: p
    bias = random(rng, shape[-1:], dtype)
    value = value + load(3, dtype, (axis(axes[-1]),))
    slots, arrays = [Slot(dtype, (axes[-1].extent,), (1,))], [as_aligned(bias)]
    if kind == "bias":
        return value, slots, arrays, lambda p: p + bias
    residual = random(rng, shape, dtype)
    value = value + load(4, dtype, tuple(axis(a) for a in axes))
    value = binary("max", value, const(0, dtype))
    b, m, n = (a.extent for a in axes)
    slots.append(Slot(dtype, (b, m, n), (m * n, n, 1)))
    return value, slots, [*arrays, as_aligned(residual)], lambda p: np.maximum(p + bias + residual, 0)


def convolution(
    height: int,
    width: int,
    c: int,
    o: int,
    kernel_size: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    batch: int = 1,
    dilation: int = 1,
    pad_channels: int = 0,
    batch_symbol: bool = False,
    out_first: bool = False,
    out_halo: int = 0,
    dtype: DType = F32,
    b_dtype: DType = F32,
    seed: int = 0,
) -> Case:
    """Channels-last, padding in memory (half the kernel); c and o are per group; bias and ReLU in the epilogue.

    out_halo: pixels that the output's rows and images are longer and higher in memory
    """
    rng = np.random.default_rng(seed)
    halo = kernel_size // 2 * dilation
    rows, columns = (height - 1) * stride + 2 * halo + 1, (width - 1) * stride + 2 * halo + 1
    pixel = groups * c + pad_channels
    x = np.zeros((batch, rows, columns, pixel), dtype.numpy)
    inside = slice(halo, -halo) if halo else slice(None)
    x[:, inside, inside, : groups * c] = random(rng, x[:, inside, inside, : groups * c].shape, dtype)
    weight, kept = random(rng, (groups, kernel_size, kernel_size, c, o), b_dtype), accumulator(dtype)
    bias = random(rng, (groups * o,), kept)
    size: Dim = _dim("batch", batch, ["batch"] if batch_symbol else [])
    g, b, y, w, n = Axis("g", groups), Axis("b", size), Axis("y", height), Axis("x", width), Axis("n", o)
    r, s, i = Axis("r", kernel_size), Axis("s", kernel_size), Axis("c", c)
    row, image = columns * pixel, rows * columns * pixel
    channel = axis(g) * o + axis(n)
    total = groups * o
    a_strides = (c, image, row * stride, pixel * stride, row * dilation, pixel * dilation, 1)
    out = Slot(kept, (size, height, width, total), _image_strides(height, width, total, out_first, out_halo))
    value = binary("max", acc(0, kept) + load(3, kept, (channel,)), const(0, kept))
    kernel = Contraction(
        (
            Slot(dtype, (size, rows, columns, pixel), (image, row, pixel, 1)),
            Slot(b_dtype, weight.shape, (1,) * 5),
            out,
            Slot(kept, (total,), (1,)),
        ),
        (g, b, y, w),
        n,
        (r, s, i),
        tuple(zip((g, b, y, w, r, s, i), a_strides)),
        ((g, kernel_size * kernel_size * c * o), (r, kernel_size * c * o), (s, c * o), (i, o), (n, 1)),
        True,
        (Store(2, (axis(b), axis(y), axis(w), channel), value),),
    )
    expected = np.maximum(_correlate(x, weight, height, width, stride, dilation) + bias, 0)
    sizes = {"batch": batch} if batch_symbol else {}
    depth = kernel_size * kernel_size * c
    return Case(kernel, as_aligned(x), weight, [as_aligned(bias)], expected, tolerance(kept, depth), sizes)


def _image_strides(height: int, width: int, channels: int, channels_first: bool, halo: int) -> tuple[int, ...]:
    """Of [image, row, pixel, channel]."""
    if channels_first:
        return channels * height * width, width, 1, height * width
    row = (width + halo) * channels
    return (height + halo) * row, row, channels, 1


def _correlate(x: Array, weight: Array, height: int, width: int, stride: int, dilation: int) -> Array:
    """The convolution itself, tap by tap in float64. x: padded; weight: [group, r, s, c, o]"""
    groups, size, _, c, o = weight.shape
    total = np.zeros((len(x), height, width, groups * o))
    for dy in range(size):
        for dx in range(size):
            seen = x[:, dy * dilation :: stride, dx * dilation :: stride][:, :height, :width].astype(np.float64)
            for g in range(groups):
                total[..., g * o : (g + 1) * o] += seen[..., g * c : (g + 1) * c] @ weight[g, dy, dx].astype(np.float64)
    return total
