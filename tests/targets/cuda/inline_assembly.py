"""The few PTX instructions of the templates' inline assembly, on numpy arrays: `run(text, inputs)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _bits(x: Array) -> Array:
    """A register as it is: 32 bits."""
    return x.view(np.uint32)


def _rounded(x: Array) -> Array:
    """To i32: ties to even, saturated, a NaN is 0."""
    wide = np.rint(np.nan_to_num(x.view(np.float32).astype(np.float64), nan=0.0))
    return np.clip(wide, -(2**31), 2**31 - 1).astype(np.int32)


def _packed(low: int, high: int) -> Callable[..., Array]:
    def pack(a: Array, b: Array, c: Array) -> Array:
        """Two bytes, saturated, b below a; above them the lower half of c."""
        first, second = (np.clip(x.view(np.int32), low, high).astype(np.int64) & 255 for x in (b, a))
        return (first | second << 8 | (_bits(c).astype(np.int64) & 0xFFFF) << 16).astype(np.uint32)

    return pack


def _permuted(a: Array, b: Array, selector: Array) -> Array:
    """Bytes of b:a; no sign is copied."""
    both = _bits(a).astype(np.uint64) | _bits(b).astype(np.uint64) << np.uint64(32)
    found = np.zeros_like(both)
    for n in range(4):
        nibble = _bits(selector).astype(np.uint64) >> np.uint64(4 * n) & np.uint64(15)
        assert (nibble < 8).all()
        found |= (both >> nibble * np.uint64(8) & np.uint64(255)) << np.uint64(8 * n)
    return found.astype(np.uint32)


def _pairs(larger: Callable[..., Array], dtype: type) -> Callable[..., Array]:
    """Of the 16-bit integers in two registers."""
    return lambda a, b: larger(_bits(a).view(dtype), _bits(b).view(dtype)).view(np.uint32)


_INSTRUCTIONS: dict[str, Callable[..., Array]] = {
    "cvt.rni.s32.f32": _rounded,
    "cvt.pack.sat.u8.s32.b32": _packed(0, 255),
    "cvt.pack.sat.s8.s32.b32": _packed(-128, 127),
    "add.s32": lambda a, b: _bits(a) + _bits(b),
    "xor.b32": lambda a, b: _bits(a) ^ _bits(b),
    "mov.b32": _bits,
    "prmt.b32": _permuted,
    "shl.b32": lambda a, n: _bits(a) << _bits(n),
    "max.u16x2": _pairs(np.maximum, np.uint16),
    "max.s16x2": _pairs(np.maximum, np.int16),
    "min.u16x2": _pairs(np.minimum, np.uint16),
    "min.s16x2": _pairs(np.minimum, np.int16),
}


def run(text: str, inputs: Sequence[Array], element_bytes: int, pack: int) -> Array:
    """The result, of elements of `element_bytes`, `pack` of them at a time. inputs: flat, equally long"""
    count = len(inputs[0])
    padding = -count % pack
    outputs = pack * element_bytes // 4
    registers: dict[str, Array] = {}
    number = outputs
    for array in inputs:
        groups = np.concatenate([array, np.zeros(padding, array.dtype)]).reshape(-1, pack)
        packed = np.ascontiguousarray(groups).view(np.uint32)
        for n in range(packed.shape[1]):
            registers[f"${number}"] = np.ascontiguousarray(packed[:, n])
            number += 1
    lanes = len(registers[f"${outputs}"])
    for statement in (s.strip() for s in text.strip().strip("{}").split(";")):
        if not statement or statement.startswith(".reg"):
            continue
        name, operands = re.split(r"\s+", statement, maxsplit=1)
        result, *arguments = (x.strip() for x in operands.split(","))
        values = [registers[x] if x in registers else np.full(lanes, int(x, 0), np.uint32) for x in arguments]
        registers[result] = _INSTRUCTIONS[name](*values).view(np.uint32)
    found = np.stack([registers[f"${n}"] for n in range(outputs)], axis=1)
    return np.ascontiguousarray(found).view(np.uint8)[:].reshape(-1)[: count * element_bytes]
