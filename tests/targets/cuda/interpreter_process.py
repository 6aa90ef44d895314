"""The process in which kernels are interpreted: Triton's own interpreter, made stricter.

* An access outside the arrays, or a store into a slot that is only read, is an error.
* Lanes that a mask leaves out read NaN, or a large number, unless the load says `other`.
* bfloat16 and float8 are rounded to nearest even, and multiplied by `tl.dot` as floats; bytes are multiplied by the
  source's signs. Assembly of bytes runs in inline_assembly.py.
* Reductions by any function are vectorised; libdevice is numpy; prefetches, pauses and what says when
  the next launch may begin do nothing.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback

import ml_dtypes
import numpy as np
import triton
import triton.language as tl
from triton.runtime import interpreter
from triton.runtime.interpreter import TensorDescHandle, TensorHandle, _implicit_cvt, interpreter_builder

from burnish.dims import evaluate
from burnish.targets.cuda.compiler import compile as compiling
from burnish.targets.cuda.source import Pointer, Size, TensorMap, Workspace
from tests.targets.cuda import inline_assembly

_ELEMENTS = {
    "f64": tl.float64, "f32": tl.float32, "f16": tl.float16, "bf16": tl.bfloat16, "f8e4m3": tl.float8e4nv,
    "bool": tl.int8, "i64": tl.int64,
    "i32": tl.int32, "i16": tl.int16, "i8": tl.int8,
    "u64": tl.uint64, "u32": tl.uint32, "u16": tl.uint16, "u8": tl.uint8,
}  # fmt: skip
_signs: tuple[str, ...] = ()  # of the source that runs
_readable: list[tuple[int, int]] = []
_writable: list[tuple[int, int]] = []


def serve() -> None:
    """Tasks from the standard input, answers (arrays, or what went wrong) to the standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    np.seterr(all="ignore")
    _make_strict()
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = _run(*task)
        except Exception:
            answer = traceback.format_exc()
        pickle.dump(answer, answers)
        answers.flush()


def _run(source, arrays, sizes, offsets, written):
    global _signs
    _signs = source.signs
    arrays = {n: np.array(a) for n, a in arrays.items()}
    spaces = []
    _readable.clear(), _writable.clear()
    for n, a in arrays.items():
        _allow(a, written is None or n in written)
    arguments = []
    for p in source.parameters:
        if isinstance(p, Workspace):
            count = evaluate(p.size_bytes, sizes)
            spaces.append(np.full(count, 0 if p.zeroed else 0x7F, np.uint8))
            _allow(spaces[-1], True)
            arguments.append(_pointer(spaces[-1], 0, p.dtype))
        elif isinstance(p, Size):
            arguments.append(_scalar(evaluate(p.value, sizes), p.dtype, p.divisible))
        elif isinstance(p, Pointer):
            arguments.append(_pointer(arrays[p.slot], offsets.get(p.slot, 0), p.dtype))
        else:
            at = offsets.get(p.slot, 0) + evaluate(p.offset, sizes)
            arguments.append(_descriptor(p, _pointer(arrays[p.slot], at, p.dtype), sizes))
    grid = tuple(evaluate(d, sizes) for d in source.grid)
    assert all(d >= 1 for d in grid), f"grid {grid}"
    with compiling.loaded(source, _names() | {"num_threads": lambda: 32 * source.warps}) as names:
        names["kernel"].run(*arguments, grid=grid, warmup=False)
    return {n: a for n, a in arrays.items() if written is None or n in written}


def _allow(array, write):
    span = (array.ctypes.data, array.ctypes.data + array.nbytes)
    _readable.append(span)
    if write:
        _writable.append(span)


def _pointer(array, offset, dtype):
    element = _ELEMENTS[dtype.value]
    address = array.ctypes.data + offset * dtype.size_bytes
    kind = tl.pointer_type(element)
    return tl.tensor(TensorHandle(np.array([address], np.uint64), kind), kind)


def _scalar(value, dtype, divisible):
    assert value % divisible == 0, f"a size of {value} is not a multiple of {divisible}"
    kind = _ELEMENTS[dtype.value]
    return tl.tensor(TensorHandle(np.array([value], dtype.numpy), kind), kind)


def _descriptor(p: TensorMap, base, sizes):
    shape = [_implicit_cvt(evaluate(d, sizes)) for d in p.shape]
    strides = [_implicit_cvt(evaluate(d, sizes)) for d in p.strides[:-1]] + [tl.constexpr(1)]
    for d in p.strides[:-1]:
        assert evaluate(d, sizes) * p.dtype.size_bytes % 16 == 0, (
            f"stride {d} of {p.name} is not a multiple of 16 bytes"
        )
    semantic = interpreter.TritonSemantic(interpreter_builder)
    box = [tl.constexpr(b) for b in p.box]
    found = semantic.make_tensor_descriptor(base=base, shape=shape, strides=strides, block_shape=box)
    found.handle.steps = p.steps or (1,) * len(p.shape)
    return found


# -- names that sources use -----------------------------------------------------------------------------------------


class _Library:
    """libdevice's functions in numpy, computed in f64 where that is more exact."""

    @staticmethod
    def _apply(function, *arguments):
        arguments = [interpreter.TritonSemantic(interpreter_builder).to_tensor(a) for a in arguments]
        kind = arguments[0].dtype
        wide = [np.asarray(a.handle.data if isinstance(a, tl.tensor) else a, np.float64) for a in arguments]
        result = function(*wide).astype(arguments[0].handle.data.dtype)
        handle = TensorHandle(result, kind.scalar)
        is_block = any(isinstance(a, tl.tensor) and a.type.is_block() for a in arguments)
        shape = list(result.shape) if is_block else None
        return tl.tensor(handle, tl.block_type(kind.scalar, shape) if shape is not None else kind)


for _name, _function in {
    "tanh": np.tanh, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "log1p": np.log1p,
    "expm1": np.expm1, "trunc": np.trunc, "rint": np.rint, "fmod": np.fmod, "pow": np.power, "mul_rn": np.multiply,
}.items():  # fmt: skip
    setattr(_Library, _name, staticmethod(lambda *a, function=_function: _Library._apply(function, *a)))


def _nothing(*_, **__):
    return None


def _range(*bounds):
    """Counts in tensors, as a compiled kernel does, where Python's own would count in integers."""
    kind = next((b.dtype for b in bounds if isinstance(b, tl.tensor)), None)
    for n in range(*bounds):
        yield n if kind is None else tl.tensor(TensorHandle(np.array([n], interpreter._get_np_dtype(kind)), kind), kind)


def _names():
    return {
        **compiling.namespace(triton),
        "range": _range,
        "libdevice": _Library,
        "gdc_wait": _nothing,
        "gdc_launch_dependents": _nothing,
    }


# -- a stricter interpreter -----------------------------------------------------------------------------------------


def _check(pointers, mask, size, allowed, what):
    where, active = np.broadcast_arrays(pointers.data, mask.data.astype(bool))  # a splat bool is an integer here
    addresses = where[active]
    fine = np.zeros(addresses.shape, bool)
    for start, end in allowed:
        fine |= (addresses >= start) & (addresses + size <= end)
    if not fine.all():
        raise IndexError(f"{what} outside the arrays it may use: {int((~fine).sum())} of {fine.size} lanes")


def _element_bytes(pointers):
    return max(1, pointers.get_element_ty().primitive_bitwidth // 8)


def _garbage(pointers):
    kind = interpreter._get_np_dtype(pointers.get_element_ty())
    if pointers.data.size == 1:  # Triton loses `other` here where it is 0
        return np.zeros(pointers.data.shape, kind)
    if kind.kind == "f":
        return np.full(pointers.data.shape, np.nan, kind)
    return np.full(pointers.data.shape, np.iinfo(kind).max if kind.kind in "iu" else 1, kind)


def _masked_load(self, ptrs, mask, other, cache_modifier, eviction_policy, is_volatile):
    _check(ptrs, mask, _element_bytes(ptrs), _readable, "load")
    kind = ptrs.get_element_ty()
    rest = _garbage(ptrs) if other is None else other.data
    data = interpreter._interpreter.load(ptrs.data, mask.data, rest, interpreter._get_np_dtype(kind))
    return TensorHandle(data, kind)


def _masked_store(self, ptrs, value, mask, cache_modifier, eviction_policy):
    _check(ptrs, mask, _element_bytes(ptrs), _writable, "store")
    return interpreter._interpreter.store(ptrs.data, value.data, mask.data)


def _cast(self, src, dst_type):
    source, target = src.dtype.scalar, dst_type.scalar
    narrow = {tl.bfloat16: ml_dtypes.bfloat16, tl.float8e4nv: ml_dtypes.float8_e4m3fn}
    data = src.data.view(narrow[source]) if source in narrow else src.data
    if target == tl.float8e4nv:  # as the instruction does, it saturates
        inside = np.clip(np.asarray(data, np.float32), -448, 448)
        return TensorHandle(inside.astype(ml_dtypes.float8_e4m3fn).view(np.uint8), target)
    if target == tl.bfloat16:
        return TensorHandle(np.asarray(data, np.float32).astype(ml_dtypes.bfloat16).view(np.uint16), target)
    return TensorHandle(np.asarray(data).astype(interpreter._get_np_dtype(target)), target)


def _fp_to_fp(self, src, dst_type, rounding_mode):
    return _cast(self, src, dst_type)


def _near_quotient(self, x, y):
    """An f32 quotient as a GPU may give it: off by an ulp, unless the divisor is a power of two."""
    found = self.binary_op(x, y, np.divide)
    if x.dtype.scalar == tl.float32:
        exact = np.abs(np.frexp(y.data)[0]) == 0.5
        away = np.nextafter(found.data, np.copysign(np.float32(np.inf), found.data))
        found.data = np.where(exact | (found.data == 0) | np.isinf(away), found.data, away)
    return found


def _fused(self, x, y, z):
    """A product that is not rounded before the sum is: exact in 64 bits of mantissa for what is added to f32."""
    wide = [np.asarray(v.data, np.longdouble) for v in (x, y, z)]
    return TensorHandle((wide[0] * wide[1] + wide[2]).astype(x.data.dtype), z.dtype.scalar)


_dot = interpreter.InterpreterBuilder.create_dot


def _wide_dot(self, a, b, d, input_precision, max_num_imprecise_acc):
    narrow = (tl.bfloat16, tl.float8e4nv)
    a, b = (_cast(self, x, tl.float32) if x.dtype.scalar in narrow else x for x in (a, b))
    if _signs:
        assert a.dtype.scalar == b.dtype.scalar == tl.int8
        a, b = (TensorHandle(x.data.view({"u8": np.uint8, "i8": np.int8}[s]), x.dtype) for x, s in zip((a, b), _signs))
    return _dot(self, a, b, d, input_precision, max_num_imprecise_acc)


def _inline_asm(self, text, constraints, values, types, is_pure, pack):
    if "prefetch" in text or "%clock64" in text:
        found, kind = np.zeros_like(values[0].data, np.int32), tl.int32
    else:
        kind = types[0].scalar
        flat = [np.ascontiguousarray(v.data).reshape(-1) for v in values]
        raw = inline_assembly.run(text, flat, kind.primitive_bitwidth // 8, pack)
        found = raw.view(interpreter._get_np_dtype(kind)).reshape(values[0].data.shape)

    class Result:
        @staticmethod
        def get_result(_):
            return TensorHandle(found, kind)

    return Result()


def _stepped_pointers(self, offsets):
    """As Triton's, with a step along each axis, and only where the copy engine allows it."""
    size = self.base.dtype.element_ty.primitive_bitwidth // 8
    pointers = np.broadcast_to(self.base.data, self.block_shape)
    masks = np.ones(self.block_shape, dtype=bool)
    for axis, step in enumerate(self.steps):
        along = [1] * len(self.block_shape)
        along[axis] = self.block_shape[axis]
        at = (offsets[axis].data.astype(np.int64) + step * np.arange(self.block_shape[axis])).reshape(along)
        pointers = pointers + (size * at * self.strides[axis].data.astype(np.int64)).astype(np.uint64)
        masks = masks & (at >= 0) & (at < self.shape[axis].data)
    return TensorHandle(pointers, self.base.dtype.scalar), masks


def _descriptor_load(self, desc, indices, cache_modifier, eviction_policy):
    pointers, mask = desc.materialize_pointers(indices)
    kind = pointers.get_element_ty()
    zeros = TensorHandle(np.zeros(pointers.data.shape, interpreter._get_np_dtype(kind)), kind)
    mask = TensorHandle(mask, tl.int1)
    return self.create_masked_load(pointers, mask, zeros, None, None, False)


def _descriptor_store(self, desc, value, indices):
    pointers, mask = desc.materialize_pointers(indices)
    return self.create_masked_store(pointers, value, TensorHandle(mask, tl.int1), None, None)


def _reduce(self, values):
    """Fold along the axis; each step combines whole slices."""
    axis = self.axis
    if axis is None:
        values = tuple(self.to_tensor(v.handle.data.reshape(-1), v.dtype) for v in values)
        axis = 0
    function = getattr(self.combine_fn, "fn", self.combine_fn)
    slices = [[self.to_tensor(s, v.dtype) for s in np.moveaxis(v.handle.data, axis, 0)] for v in values]
    total = tuple(s[0] for s in slices)
    for n in range(1, len(slices[0])):
        total = function(*total, *(s[n] for s in slices))
        total = total if isinstance(total, tuple) else (total,)
    found = []
    for t, v in zip(total, values):
        data = t.handle.data.reshape([d for k, d in enumerate(v.handle.data.shape) if k != axis])
        if self.keep_dims:
            data = np.expand_dims(data, axis if self.axis is not None else tuple(range(data.ndim + 1)))
        elif data.ndim == 0:
            data = data.item()
        found.append(self.to_tensor(data, v.dtype))
    return tuple(found)


def _make_strict():
    builder = interpreter.InterpreterBuilder
    builder.create_masked_load, builder.create_masked_store = _masked_load, _masked_store
    builder.cast_impl, builder.create_fp_to_fp = _cast, _fp_to_fp
    builder.create_fdiv, builder.create_fma = _near_quotient, _fused
    builder.create_maxnumf = lambda self, x, y: self.binary_op(x, y, np.fmax)  # the number, if the other is a NaN
    builder.create_minnumf = lambda self, x, y: self.binary_op(x, y, np.fmin)
    builder.create_dot, builder.create_inline_asm = _wide_dot, _inline_asm
    builder.create_descriptor_load, builder.create_descriptor_store = _descriptor_load, _descriptor_store
    TensorDescHandle.materialize_pointers = _stepped_pointers
    interpreter.ReduceOps.generic_reduce = _reduce
