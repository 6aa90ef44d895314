"""The tile of bytes without VNNI: rows x vectors sums in i32; vpmaddubsw, vpmaddwd by ones, and one addition.

    words w of a panel:  sums += pairs of 16 bits (A[offset of w .. + 4) * B[w])      32 products, three instructions
    two that share:      sums += pairs of (A[..] * B[v] + A[..] * B[w])               64 products, five instructions

vpmaddubsw adds two products in 16 bits and saturates. Here it never does: contraction/pack_bytes.py cuts the depth into
words whose pairs of weights fit in each column of the panel, whatever the data are. So a word has up to four k, which
lie side by side in A at the offset that stands beside it; k of A that it does not count have weights of zero. Two words
whose products fit into 16 bits together share the multiplication by ones: 13 % less time on Zen 4. Signed
bytes of A become unsigned by adding 128; the sums then start at -128 * sum of B's column.

A panel in memory, in bytes; the first two numbers, both i64, lie before all panels in HEADER_BYTES:

    panel_bytes     from one panel to the next
    words_at        where the words begin in a panel
    0               the number of words, i32; then the number of those, at the front, that share by twos, i32
    HEADER_BYTES    if A is signed, the starts of the sums, i32; then the words' offsets in A, i32
    words_at        the words, [word][vectors * lanes][4]
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from llvmlite import ir

from burnish.dtypes import DType
from burnish.targets.cpu.builder import I8, I16, I32, I64, KernelBuilder, vector_type
from burnish.targets.cpu.expressions.storage import fill
from burnish.targets.cpu.register_tile.accumulate import Sums, Tile, keep_order

FORM = "bytes"
WORD = 4  # bytes
SHARE = 2  # words whose sums may share 16 bits
HEADER_BYTES = 64
LANES = (4, 8, 16)  # of an instruction's sums
_PAIRS = {4: "ssse3.pmadd.ub.sw.128", 8: "avx2.pmadd.ub.sw", 16: "avx512.pmaddubs.w.512"}
_SUMS = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}
_SIGNS = 0x80808080


@dataclass(frozen=True)
class BytePanel:
    """Addresses in a panel, its number of words, and their columns. shared: words that share, from the first one on.

    starts: None if A is unsigned
    """

    width: int
    count: ir.Value
    shared: ir.Value
    starts: ir.Value | None
    offsets: ir.Value
    words: ir.Value


def words_at_once(unroll: int) -> int:
    """The number of words that the loop unrolls, for `unroll` steps of k."""
    return max(1, unroll // WORD)


def panel_address(k: KernelBuilder, constant: ir.Value, number: ir.Value) -> ir.Value:
    """The address of a panel; number: group * panels of a group + panel."""
    offset = k.ir.mul(k.load(constant, I64, 8), number)
    return k.address(k.address(constant, HEADER_BYTES, I8), offset, I8)


def open_panel(k: KernelBuilder, constant: ir.Value, panel: ir.Value, width: int, is_signed: bool) -> BytePanel:
    """Where the parts of a panel are."""
    starts = k.address(panel, HEADER_BYTES, I8)
    words_at = k.load(k.address(constant, 1, I64), I64, 8)
    return BytePanel(
        width=width,
        count=k.ir.sext(k.load(panel, I32, 4), I64),
        shared=k.ir.sext(k.load(k.address(panel, 1, I32), I32, 4), I64),
        starts=starts if is_signed else None,
        offsets=k.address(starts, width, I32) if is_signed else starts,
        words=k.address(panel, words_at, I8),
    )


def accumulate_bytes(k: KernelBuilder, tile: Tile, a: ir.Value, panel: BytePanel) -> Sums:
    """The sums of one tile, rows * vectors values, row by row."""
    kind, at_once = vector_type(I32, tile.lanes), words_at_once(tile.unroll)
    row: Sums = [ir.Constant(kind, None)] * tile.vectors
    if panel.starts is not None:
        row = [k.load(k.address(panel.starts, v * tile.lanes, I32), kind, 4) for v in range(tile.vectors)]
    with k.loop(0, panel.shared, SHARE, carried=row * tile.rows) as loop:
        loop.next = _words(k, tile, a, panel, [k.ir.add(loop.index, k.i64(u)) for u in range(SHARE)], loop.carried)
    with k.loop(panel.shared, panel.count, at_once, carried=loop.results) as loop:
        loop.next = loop.carried
        for u in range(at_once):
            loop.next = _words(k, tile, a, panel, [k.ir.add(loop.index, k.i64(u))], loop.next)
    return loop.results


def _words(k: KernelBuilder, tile: Tile, a: ir.Value, panel: BytePanel, numbers: list[ir.Value], sums: Sums) -> Sums:
    """Add the products of words whose sums fit into 16 bits together."""
    keep_order(k)
    lanes, vectors = tile.lanes, tile.vectors
    kind, pairs = ir.VectorType(I8, WORD * lanes), ir.VectorType(I16, 2 * lanes)
    places, columns = [], []
    for word in numbers:
        places.append(k.address(a, k.ir.sext(k.load(k.address(panel.offsets, word, I32), I32, 4), I64), I8))
        b = k.address(panel.words, k.ir.mul(word, k.i64(WORD * panel.width)), I8)
        columns.append([k.load(k.address(b, v * WORD * lanes, I8), kind, WORD) for v in range(vectors)])
    ones, total = fill(ir.Constant(pairs, None), I16, 1), list(sums)
    for i, offset in enumerate(tile.offsets):
        data = [k.ir.bitcast(_row(k, k.address(place, k.dim(offset), I8), tile), kind) for place in places]
        for v in range(vectors):
            products = [k.call(f"llvm.x86.{_PAIRS[lanes]}", pairs, [x, c[v]]) for x, c in zip(data, columns)]
            in_16_bits = functools.reduce(k.ir.add, products)
            added = k.call(f"llvm.x86.{_SUMS[lanes]}", vector_type(I32, lanes), [in_16_bits, ones])
            total[i * vectors + v] = k.ir.add(total[i * vectors + v], added)
    return total


def _row(k: KernelBuilder, at: ir.Value, tile: Tile) -> ir.Value:
    """A row's next four bytes in all lanes, unsigned."""
    row = k.splat(k.load(at, I32, 1), tile.lanes)
    if tile.a_dtype is not DType.I8:
        return row
    # LLVM would turn the signs of the one element before it is repeated, in general registers
    kind, register = ir.FunctionType(row.type, [row.type]), "v" if k.at_least("x86-64-v4") else "x"
    row = k.ir.asm(kind, "", f"={register},0", [row], side_effect=False)
    return k.ir.xor(row, fill(row, I32, _SIGNS))
