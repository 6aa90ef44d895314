"""Elements at flat offsets: contiguous, repeated, gathered; masked tails; guarded against leaving the slot.

    step of the flat offset from lane to lane     load                      store
    0, index the same in all lanes                scalar, splatted later    -
    1                                             (masked) vector           (masked) vector
    anything else                                 (masked) gather           (masked) scatter
    places in a table of 256 bytes (AVX-512)      permutations of registers -

A guarded load (under a `where`) reads 64 lanes of zeros instead of an address that the condition forbids.
"""

from __future__ import annotations

from llvmlite import ir

from burnish.dims import Dim
from burnish.kernels.slot import Slot
from burnish.targets.cpu.builder import I1, I8, I32, I64, POINTER, KernelBuilder, lanes_of, type_suffix

_ZERO_BYTES = 512
_TABLE_BYTES, _TABLE_LANES = 256, 16


def guarded(
    b: KernelBuilder, place: ir.Value, mask: ir.Value | None, guard: ir.Value, lanes: int
) -> tuple[ir.Value, ir.Value | None]:
    """A place and a mask that read nothing where the guard does not hold."""
    if not isinstance(guard.type, ir.VectorType):
        return b.ir.select(guard, place, _zeros(b)), mask
    if lanes > 1:
        return place, guard if mask is None else b.ir.and_(mask, guard)
    some = b.call(f"llvm.vector.reduce.or.{type_suffix(guard.type)}", I1, [guard])
    return b.ir.select(some, place, _zeros(b)), mask


def masked_load(b: KernelBuilder, place: ir.Value, kind: ir.Type, mask: ir.Value, align: int) -> ir.Value:
    """Load the lanes of the mask. The others are zero, and their memory is not touched."""
    arguments = [place, ir.Constant(I32, align), mask, ir.Constant(kind, None)]
    return b.call(f"llvm.masked.load.{type_suffix(kind)}.p0", kind, arguments)


def masked_store(b: KernelBuilder, value: ir.Value, place: ir.Value, mask: ir.Value, align: int) -> None:
    """Write the lanes of the mask; the others' bytes are not touched."""
    if isinstance(value.type.element, ir.IntType) and value.type.element.width < 64:
        mask = b.ir.and_(mask, _all_lanes(b, value.type.count))
    arguments = [value, place, ir.Constant(I32, align), mask]
    b.call(f"llvm.masked.store.{type_suffix(value.type)}.p0", ir.VoidType(), arguments)


def _all_lanes(b: KernelBuilder, lanes: int) -> ir.Value:
    """A mask of every lane that is no constant for LLVM.

    With AVX-512, LLVM 22 turns a masked store of truncated integers with one constant lane into a store of the wide
    integer (v16i32 -> v16i16: 4 bytes instead of 2). test_one_element_beyond_whole_vectors would notice.
    """
    high = b.ir.ashr(b.ir.ptrtoint(b.scratch, I64), b.i64(63))  # 0 in a user's address space, which LLVM does not know
    return b.splat(b.ir.icmp_signed("==", high, b.i64(0)), lanes)


def clamped(b: KernelBuilder, offset: ir.Value, last: Dim) -> ir.Value:
    """The offset, or the offsets of all lanes, limited to 0 ... `last`."""
    lanes = lanes_of(offset)
    highest, zero = b.splat(b.dim(last), lanes), b.splat(b.i64(0), lanes)
    offset = b.ir.select(b.ir.icmp_signed("<", offset, highest), offset, highest)
    return b.ir.select(b.ir.icmp_signed(">", offset, zero), offset, zero)


def _lane_pointers(b: KernelBuilder, pointer: ir.Value, offset: ir.Value, element: ir.Type, lanes: int) -> ir.Value:
    places = b.ir.gep(pointer, [offset], source_etype=element)
    places.type = ir.VectorType(POINTER, lanes)  # llvmlite types a gep by its base only
    return places


def gather(b: KernelBuilder, pointer: ir.Value, offsets: ir.Value, element: ir.Type, mask: ir.Value | None) -> ir.Value:
    """Load an element for each lane of the mask (None: all lanes); the others are zero."""
    lanes = lanes_of(offsets)
    mask = ir.Constant(ir.VectorType(I1, lanes), [1] * lanes) if mask is None else mask
    kind = ir.VectorType(element, lanes)
    places = _lane_pointers(b, pointer, offsets, element, lanes)
    arguments = [places, ir.Constant(I32, _align(element)), mask, ir.Constant(kind, None)]
    return b.call(f"llvm.masked.gather.{type_suffix(kind)}.v{lanes}p0", kind, arguments)


def is_table(b: KernelBuilder, slot: Slot, lanes: int) -> bool:
    """Is the slot a table that `looked_up` reads?"""
    is_short = slot.dtype.size_bytes == 1 and slot.is_forward and slot.span == _TABLE_BYTES
    return is_short and lanes == _TABLE_LANES and b.at_least("x86-64-v4")


def looked_up(b: KernelBuilder, pointer: ir.Value, places: ir.Value, align: int) -> ir.Value:
    """An element of a table for each lane: a permutation of its words, and a rotation that brings the byte down.

    Eight instructions for 16 lanes, with the table in registers; a gather of bytes is 45.
    """
    words = ir.VectorType(I32, _TABLE_LANES)
    index = b.ir.trunc(places, words)
    parts = [b.load(b.address(pointer, n * 4 * _TABLE_LANES, I8), words, align) for n in range(4)]
    word = b.ir.lshr(index, b.splat(I32(2), _TABLE_LANES))  # the permutations take its lowest five bits
    low, high = (b.call("llvm.x86.avx512.vpermi2var.d.512", words, [parts[n], word, parts[n + 1]]) for n in (0, 2))
    is_high = b.ir.icmp_unsigned("!=", b.ir.and_(index, b.splat(I32(128), _TABLE_LANES)), ir.Constant(words, None))
    word = b.ir.select(is_high, high, low)
    turn = b.ir.shl(index, b.splat(I32(3), _TABLE_LANES))  # rotations take it modulo 32
    byte = b.call(f"llvm.fshr.{type_suffix(words)}", words, [word, word, turn])
    return b.ir.trunc(byte, ir.VectorType(I8, _TABLE_LANES))


def scatter(
    b: KernelBuilder, pointer: ir.Value, offsets: ir.Value, element: ir.Type, raw: ir.Value, mask: ir.Value | None
) -> None:
    """Write an element for each lane of the mask (None: all lanes)."""
    lanes = lanes_of(offsets)
    mask = ir.Constant(ir.VectorType(I1, lanes), [1] * lanes) if mask is None else mask
    places = _lane_pointers(b, pointer, offsets, element, lanes)
    arguments = [raw, places, ir.Constant(I32, _align(element)), mask]
    b.call(f"llvm.masked.scatter.{type_suffix(raw.type)}.v{lanes}p0", ir.VoidType(), arguments)


def _align(element: ir.Type) -> int:
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
    return 4 if isinstance(element, ir.FloatType) else 8


def _zeros(b: KernelBuilder) -> ir.Value:
    found = b.module.globals.get("burnish.zeros")
    if found is None:
        kind = ir.ArrayType(I8, _ZERO_BYTES)
        found = ir.GlobalVariable(b.module, kind, "burnish.zeros")
        found.linkage, found.global_constant, found.initializer = "internal", True, ir.Constant(kind, None)
        found.align = 64
    return found
