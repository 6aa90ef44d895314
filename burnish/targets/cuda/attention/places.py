"""Where an attention program's rows lie, and how its operands are addressed."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.targets.cuda.attention.kernel import Attention, Piece
from burnish.targets.cuda.text import KernelText, Name


@dataclass(frozen=True, slots=True)
class Rows:
    """A program's rows (queries). program: its number; block: its block of the head; batch, head, key_head: where.

    numbers    the rows' numbers within the head, [block_m]
    queries    the query of each, [block_m];  heads: the head of each, where rows of several heads are packed
    """

    program: Name
    block: Name
    batch: Name
    head: Name
    key_head: Name
    numbers: Name
    queries: Name
    heads: Name | None


def write_rows(text: KernelText, attention: Attention) -> Rows:
    """The head and the rows of this program."""
    heads, blocks = text.number(attention.row_heads, DType.I32), attention.blocks
    text.wait()
    program = text.let("program", "tl.program_id(0)")
    block = text.let("block", f"{program} % {text.number(blocks, DType.I32)}")
    if attention.kernel.causal:  # the longest rows first
        block = text.let("block", f"{text.number(blocks, DType.I32)} - 1 - {block}")
    pair = text.let("pair", f"{program} // {text.number(blocks, DType.I32)}")
    head = text.let("head", f"{pair} % {heads}")
    batch = text.let("batch", f"{pair} // {heads}")
    is_own = attention.packs or attention.group == 1
    key_head = text.let("key_head", head if is_own else f"{head} // {text.number(attention.group, DType.I32)}")
    numbers = text.let("rows", f"{block} * {attention.block_m} + tl.arange(0, {attention.block_m})")
    row_heads = None
    if attention.packs:
        group, queries = text.number(attention.group, DType.I32), text.number(attention.queries, DType.I32)
        row_heads = text.let("row_head", f"{head} * {group} + {numbers} // {queries}")
        query = text.let("query", f"{numbers} % {queries}")
    else:
        query = text.let("query", numbers)
    return Rows(program, block, batch, head, key_head, numbers, query, row_heads)


def row_exists(text: KernelText, attention: Attention, rows: Rows) -> str:
    """The mask of rows that exist, [block_m]; "" if all do."""
    is_whole = isinstance(attention.rows, int) and attention.rows % attention.block_m == 0
    return "" if is_whole else f"({rows.numbers} < {text.number(attention.rows, DType.I32)})"


def row_exists_column(text: KernelText, attention: Attention, rows: Rows) -> str:
    """The same, [block_m, 1]."""
    exists = row_exists(text, attention, rows)
    return f"{exists}[:, None]" if exists else ""


def head_at(text: KernelText, rows: Rows, base: Name, slot: Slot, head: Name) -> str:
    """The address of a head's first element."""
    terms = [
        scaled(text, f"{rows.batch}.to(tl.int64)", slot.strides[0], DType.I64),
        scaled(text, f"{head}.to(tl.int64)", slot.strides[1], DType.I64),
    ]
    return " + ".join([base, *(t for t in terms if t)])


def rows_at(text: KernelText, attention: Attention, rows: Rows, base: Name, slot: Slot) -> Name:
    """The addresses of the rows' first elements; [block_m]."""
    step = scaled(text, f"{rows.queries}.to(tl.int64)", slot.strides[2], DType.I64)
    if rows.heads is not None:
        head = scaled(text, f"{rows.heads}.to(tl.int64)", slot.strides[1], DType.I64)
        batch = scaled(text, f"{rows.batch}.to(tl.int64)", slot.strides[0], DType.I64)
        terms = [t for t in (batch, head, step) if t]
        spread = "" if head or step else f" + {rows.numbers} * 0"
        return text.let(f"{base}_rows", f"{' + '.join([base, *terms])}{spread}")
    here = scaled(text, f"tl.arange(0, {attention.block_m})", slot.strides[2])
    start = scaled(text, f"({rows.block} * {attention.block_m}).to(tl.int64)", slot.strides[2], DType.I64)
    first = " + ".join([head_at(text, rows, base, slot, rows.head), *([start] if start else [])])
    return text.let(f"{base}_rows", f"{first} + {here or f'{rows.numbers} * 0'}")


def scaled(text: KernelText, index: str, stride: Dim, dtype: DType = DType.I32) -> str:
    """index * stride, or nothing."""
    if stride == 0:
        return ""
    return index if stride == 1 else f"{index} * {text.number(stride, dtype)}"


def part_of(piece: Piece) -> str:
    """The elements of a head in a piece, [width]."""
    numbers = f"tl.arange(0, {piece.width})"
    return f"({piece.first} + {numbers})" if piece.first else numbers


def part_exists(piece: Piece) -> str:
    """The mask of elements of a piece that exist, [1, width]; "" if all do."""
    return "" if piece.is_whole else f"({part_of(piece)} < {piece.extent})[None, :]"


def both(left: str, right: str) -> str:
    """Both of two conditions; each may be ""."""
    return f"{left} & {right}" if left and right else left or right
