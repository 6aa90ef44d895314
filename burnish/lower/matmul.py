"""MatMul and Gemm to a Contraction."""

from __future__ import annotations

import numpy as np

from burnish.dims import Dim, bounds, known, symbols
from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.lower.buffers import Buffers
from burnish.lower.epilogue import Place, store_of
from burnish.lower.kernels import Slots
from burnish.lower.placement import Placement
from burnish.lower.quantised import Computed, place_blocks, summands, weights_of, without_zero
from burnish.lower.scope import Body, is_constant
from burnish.ops.broadcasting import broadcast_index, spread
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import MatMul, Tensor
from burnish.ops.language.expr import Axis, Expr, axis


def accumulator(dtype: DType) -> DType:
    """The dtype in which products of a dtype are summed."""
    if dtype in (DType.F64, DType.I64, DType.U64):
        return dtype
    return DType.F32 if dtype.is_float else DType.I32


def lower_matmul(
    tensor: Tensor,
    form: MatMul,
    body: Body,
    into: Placement,
    buffers: Buffers,
    place: Place,
    placed: Place,
    computed: Computed | None = None,
) -> tuple[Contraction, Slots]:
    """out[batch..., m, n]; batch axes of B that are real come first among the pixels.

    computed: how this is the product of raw codes, if it is one of two computed tensors of codes
    """
    batch = [Axis(f"p{i}", n) for i, n in enumerate(tensor.shape[:-2])]
    m, n = Axis(f"p{len(batch)}", tensor.shape[-2]), Axis("n", tensor.shape[-1])
    reduce = (Axis("h0", 2), Axis("k0", depth_of(form)))  # the first: weights in two summands
    slots = Slots()
    a = placed_tensor(form.a, placed)
    rows, columns = (a.strides[-1], a.strides[-2]) if form.transpose_a else (a.strides[-2], a.strides[-1])
    a_strides = [*_batch_strides(a, len(a.shape) - 2, batch), (m, rows), (reduce[-1], columns)]
    blocks = None
    if form.blocks is not None:
        parts, blocks = place_blocks(form.blocks, form.b.name, known(reduce[-1].extent), buffers)
        b_strides, packed = [(reduce[-1], parts[0].strides[0]), (n, parts[0].strides[1])], True
    else:
        b, b_strides, packed = _operand_b(form, batch, reduce, n, buffers, placed)
        parts = [b]
    slots.placements += [a, *parts]
    depends = {x for x, s in b_strides if x in batch and s != 0}
    pixels = (*[x for x in batch if x in depends], *[x for x in batch if x not in depends], m)
    index = [*(axis(x) for x in batch), axis(m), axis(n)]
    store = store_of(tensor, body, index, _result(form, tensor, index, buffers, computed), into, place, slots)
    summed = tuple(x for x in reduce if x is reduce[-1] or x in dict(b_strides))
    strides = _nonzero(a_strides), _nonzero(b_strides)
    most = _most_depth(form, reduce[-1].extent, buffers)
    kernel = Contraction(slots.flat, pixels, n, summed, *strides, packed, (store,), blocks=blocks, most_depth=most)
    return kernel, slots


def _most_depth(form: MatMul, depth: Dim, buffers: Buffers) -> int | None:
    """The maximum of a symbolic depth, for products of computed bytes; None if data decides it."""
    is_bytes = form.a.dtype.is_integer and form.a.dtype.size_bytes == 1 and not is_constant(form.b)
    if isinstance(depth, int) or not is_bytes or symbols(depth) & buffers.from_data:
        return None
    return bounds(depth, buffers.ranges)[1]


def depth_of(form: MatMul) -> Dim:
    """The number of products summed for each element. Both operands have this size; one may know it more exactly."""
    of_a, of_b = form.a.shape[-2 if form.transpose_a else -1], form.b.shape[-1 if form.transpose_b else -2]
    return of_b if isinstance(of_b, int) else of_a


def placed_tensor(tensor: Tensor, placed: Place) -> Placement:
    """A tensor's placement; it must have memory."""
    found = placed(tensor[[ex.const(0, DType.I64)] * tensor.rank])
    assert isinstance(found, Placement), tensor.name
    return found


def _operand_b(
    form: MatMul, batch: list[Axis], reduce: tuple[Axis, Axis], n: Axis, buffers: Buffers, placed: Place
) -> tuple[Placement, list[tuple[Axis, Dim]], bool]:
    if is_constant(form.b):
        array = weights_of(form)
        if form.transpose_b:
            array = np.ascontiguousarray(np.swapaxes(array, -1, -2))
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
        lead, array = array.ndim - 2, summands(array, array.ndim - 2, buffers.byte_tiles)
        b = buffers.packed((form.b, form.b_zero, "matmul", form.transpose_b), array, form.b.name)
        along = reduce if array.ndim > lead + 2 else reduce[1:]
        return b, [*_batch_strides(b, lead, batch), *zip((*along, n), b.strides[lead:])], True
    b = placed_tensor(form.b, placed)
    rows, columns = (b.strides[-1], b.strides[-2]) if form.transpose_b else (b.strides[-2], b.strides[-1])
    return b, [*_batch_strides(b, len(b.shape) - 2, batch), (reduce[-1], rows), (n, columns)], False


def _batch_strides(operand: Placement, lead: int, batch: list[Axis]) -> list[tuple[Axis, Dim]]:
    """Of the operand's first `lead` axes."""
    steps = list(zip(operand.shape[:lead], operand.strides))
    return [(x, stride * spread(extent, x.extent)) for x, (extent, stride) in zip(batch[len(batch) - lead :], steps)]


def _nonzero(strides: list[tuple[Axis, Dim]]) -> tuple[tuple[Axis, Dim], ...]:
    return tuple((a, s) for a, s in strides if s != 0)


def _result(form: MatMul, tensor: Tensor, index: list[Expr], buffers: Buffers, computed: Computed | None) -> Expr:
    total = accumulator(form.a.dtype)
    value = ex.acc(0, total)
    if computed is not None:
        value = computed.rest(value, index, ex.const(0, DType.I64))
    if form.a_zero is not None:
        batch = broadcast_index(form.b.shape[:-2], index[:-2], tensor.shape[:-2])
        value = without_zero(form, value, [index[-2], *batch, index[-1]], buffers)
    if form.alpha != 1.0:
        value = value * ex.const(form.alpha, total)
    if form.bias is not None:
        shift = tensor.rank - form.bias.rank
        at = [index[shift + i] * ex.dim(spread(d, tensor.shape[shift + i])) for i, d in enumerate(form.bias.shape)]
        bias = ex.cast(form.bias[at], total)
        value = value + (bias if form.beta == 1.0 else bias * ex.const(form.beta, total))
    return ex.cast(value, form.dtype)
