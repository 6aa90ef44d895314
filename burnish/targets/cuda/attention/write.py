"""Writes attention kernels as Triton text: addresses, one block of keys at a time, the end of a row.

    m' = max(m, max_j s_j);   p_j = exp2(s_j - m');   total' = total * exp2(m - m') + sum_j p_j;   sums likewise

A row that has seen no key has m = -inf and total = 0; nothing is ever subtracted from -inf.
"""

from __future__ import annotations

from burnish.dims import Dim, ceildiv
from burnish.dtypes import DType
from burnish.kernels.task import Slot
from burnish.targets.cuda.attention.kernel import LOG2E, Attention, Piece


def write(a: Attention) -> str:
    """The module's text. After it, `a.parameters()` is complete."""
    body = [*_places(a), *_queries(a), *_state(a), *_loops(a), *(_merge(a) if a.splits > 1 else _finish(a))]
    names = ", ".join(p.name for p in a.parameters())
    return "\n".join(["@triton.jit", f"def kernel({names}):", *(f"    {line}" for line in body), ""])


def _places(a: Attention) -> list[str]:
    """Which rows of which head this program has, and where the operands' heads begin."""
    heads = a.number(a.row_heads)
    lines = ["gdc_launch_dependents()", "gdc_wait()"] if a.overlaps else []
    lines += ["program = tl.program_id(0)", f"block = program % {a.number(a.blocks)}"]
    if a.kernel.causal:  # the longest rows first
        lines.append(f"block = {a.number(a.blocks)} - 1 - block")
    lines += [
        f"pair = program // {a.number(a.blocks)}",
        f"head = pair % {heads}",
        f"batch = pair // {heads}",
        f"key_head = {'head' if a.packs or a.group == 1 else f'head // {a.number(a.group)}'}",
        f"rows = block * {a.block_m} + tl.arange(0, {a.block_m})",
    ]
    if a.packs:
        lines += [
            f"row_head = head * {a.number(a.group)} + rows // {a.number(a.queries)}",
            f"query = rows % {a.number(a.queries)}",
        ]
    else:
        lines.append("query = rows")
    return lines


def _head_at(a: Attention, name: str, slot: Slot, head: str) -> str:
    """The address of a head's first element."""
    terms = [
        a.scaled("batch.to(tl.int64)", slot.strides[0], DType.I64),
        a.scaled(f"{head}.to(tl.int64)", slot.strides[1], DType.I64),
    ]
    return " + ".join([name, *(t for t in terms if t)])


def _rows_at(a: Attention, name: str, slot: Slot) -> list[str]:
    """`{name}_rows`: the addresses of the rows' first elements; [block_m]."""
    step = a.scaled("query.to(tl.int64)", slot.strides[2], DType.I64)
    if a.packs:
        head = a.scaled("row_head.to(tl.int64)", slot.strides[1], DType.I64)
        batch = a.scaled("batch.to(tl.int64)", slot.strides[0], DType.I64)
        terms = [t for t in (batch, head, step) if t]
        return [f"{name}_rows = {' + '.join([name, *terms])}" + ("" if head or step else " + rows * 0")]
    here = a.scaled(f"tl.arange(0, {a.block_m})", slot.strides[2])
    start = a.scaled(f"(block * {a.block_m}).to(tl.int64)", slot.strides[2], DType.I64)
    base = " + ".join([_head_at(a, name, slot, "head"), *([start] if start else [])])
    return [f"{name}_rows = {base} + {here or 'rows * 0'}"]


def _queries(a: Attention) -> list[str]:
    """q0 (q1): the rows' queries, [block_m, width]."""
    lines = _rows_at(a, "q", a.q)
    for n, piece in enumerate(a.depth):
        exists = _both(_row_exists(a), _part_exists(piece))
        part = a.scaled(f"{_part(piece)}[None, :]", a.q.strides[3])
        lines.append(f"q{n} = {_load(f'q_rows[:, None] + {part or 0}', exists)}{_widened(a)}")
    if not a.copies:
        lines += [f"k_head = {_head_at(a, 'k', a.k, 'key_head')}", f"v_head = {_head_at(a, 'v', a.v, 'key_head')}"]
    if a.mask is not None:
        lines += _rows_at(a, "mask", a.mask)
    return lines


def _state(a: Attention) -> list[str]:
    """No key seen yet."""
    lines = [
        f'highest = tl.full(({a.block_m},), float("-inf"), {a.accumulator})',
        f"total = tl.zeros(({a.block_m},), {a.accumulator})",
    ]
    for n, piece in enumerate(a.values):
        lines.append(f"sum{n} = tl.zeros(({a.block_m}, {piece.width}), {a.accumulator})")
    return lines


def _loops(a: Attention) -> list[str]:
    """First the blocks in which every key exists and is seen by every row, then the others."""
    keys, step = a.number(a.keys), a.block_n
    fits = isinstance(a.keys, int) and a.keys % step == 0
    start, end = "0", keys
    lines: list[str] = []
    if a.splits > 1:
        each = ceildiv(ceildiv(a.keys, step), a.splits) * step
        lines += [f"start = tl.program_id(1) * {a.number(each)}", f"end = tl.minimum(start + {a.number(each)}, {keys})"]
        start, end = "start", "end"
    if a.kernel.causal and not a.packs:
        seen = f"block * {a.block_m} + {a.number(a.keys - a.queries)}"
        lines.append(f"end = tl.minimum({end}, {seen} + {a.block_m})")
        lines.append(f"whole = tl.maximum({start}, tl.minimum({end}, {seen} + 1) // {step} * {step})")
        return [*lines, *_loop(a, start, "whole", False), *_loop(a, "whole", "end", True)]
    if a.kernel.causal:
        return [*lines, *_loop(a, start, end, True)]
    if fits:
        return [*lines, *_loop(a, start, end, False)]
    if isinstance(a.keys, int) and a.splits == 1:
        whole = str(a.keys // step * step)
        first = _loop(a, "0", whole, False) if whole != "0" else []
        return [*first, *_loop(a, whole, keys, True)]
    lines.append(f"whole = {start} + tl.maximum({end} - {start}, 0) // {step} * {step}")
    return [*lines, *_loop(a, start, "whole", False), *_loop(a, "whole", end, True)]


def _loop(a: Attention, start: str, end: str, partial: bool) -> list[str]:
    """Blocks of keys from `start` to `end`; `partial`: some keys do not exist, or some rows do not see them."""
    lines = [f"for first in range({start}, {end}, {a.block_n}):"]
    body = [f"keys = first + tl.arange(0, {a.block_n})", *_operands(a, partial), *_scores(a, partial), *_softmax(a)]
    body += _times_values(a)
    return [*lines, *(f"    {line}" for line in body)]


def _operands(a: Attention, partial: bool) -> list[str]:
    """A block of keys and values: all loads are on their way before the first product."""
    keys = [f"k{n} = {_operand(a, 'k', a.k, piece, partial)}" for n, piece in enumerate(a.depth)]
    return keys + [f"v{n} = {_operand(a, 'v', a.v, piece, partial)}" for n, piece in enumerate(a.values)]


def _scores(a: Attention, partial: bool) -> list[str]:
    """score = scale * q k^T, capped and masked; [block_m, block_n]."""
    lines = [f"score = {_dot(a, f'q{n}', f'k{n}.T', 'score' if n else '')}" for n in range(len(a.depth))]
    if not a.scales_late:
        lines.append(f"score = score * {a.kernel.scale!r}")
    if cap := a.kernel.softcap:  # cap * tanh(score / cap)
        lines.append(f"score = {cap!r} - {2 * cap!r} / (tl.exp2(score * {2 * LOG2E / cap!r}) + 1.0)")
    seen = ""
    if partial and a.kernel.causal:
        seen = f"(keys[None, :] <= query[:, None] + {a.number(a.keys - a.queries)})"
    if partial and (not a.kernel.causal or a.packs):
        seen = _both(seen, f"(keys < {a.number(a.keys)})[None, :]")
    if a.mask is not None:
        lines += _mask(a, a.mask, partial)
        if a.is_masked_by_number:
            lines.append(f"score = score + chosen.to({a.accumulator})")
        else:
            seen = _both(seen, "(chosen != 0)")
    if seen:
        lines.append(f'score = tl.where({seen}, score, float("-inf"))')
    return lines


def _mask(a: Attention, mask: Slot, partial: bool) -> list[str]:
    """chosen: the mask at these rows and keys; an axis it does not vary along stays 1."""
    varies = mask.strides[2] != 0 or (a.packs and mask.strides[1] != 0)
    rows = "mask_rows[:, None]"
    if not varies and not a.packs:
        rows = f"({_head_at(a, 'mask', mask, 'head')})"
    elif not varies:
        rows = f"(mask + {a.scaled('batch.to(tl.int64)', mask.strides[0], DType.I64) or 0})"
    keys = a.scaled("keys[None, :]", mask.strides[3])
    exists = _row_exists(a) if varies else ""
    if keys and partial:
        exists = _both(exists, f"(keys < {a.number(a.keys)})[None, :]")
    return [f"chosen = {_load(f'{rows} + {keys or 0}', exists)}"]


def _softmax(a: Attention) -> list[str]:
    """Scores become exponentials p; what was summed before shrinks."""
    lines = ["now = tl.maximum(highest, tl.max(score, 1))", "shift = now"]
    if a.mask is not None or a.kernel.causal or a.splits > 1:
        lines[1] = 'shift = tl.where(now == float("-inf"), 0.0, now)'
    factor = repr(a.to_exponent)
    if a.scales_late:
        lines += [f"shift = shift * {factor}", f"p = tl.exp2(score * {factor} - shift[:, None])"]
        lines += [f"fade = tl.exp2(highest * {factor} - shift)"]
    else:  # the difference first: a mask's lowest finite number, times log2(e), would be -inf
        lines += [f"p = tl.exp2((score - shift[:, None]) * {factor})"]
        lines += [f"fade = tl.exp2((highest - shift) * {factor})"]
    return [*lines, "total = total * fade + tl.sum(p, 1)", "highest = now"]


def _times_values(a: Attention) -> list[str]:
    operand = "p" if a.v.dtype in (DType.F32, DType.F64) or a.multiplies_as else "p.to(v0.dtype)"
    parts = range(len(a.values))
    return [f"sum{n} = {_dot(a, operand, f'v{n}', f'sum{n} * fade[:, None]')}" for n in parts]


def _operand(a: Attention, name: str, slot: Slot, piece: Piece, partial: bool) -> str:
    """A block of keys or values, [block_n, width]; what does not exist is 0."""
    if a.copies:
        return f"{name}.load([batch, key_head, first, 0]).reshape({a.block_n}, {piece.width}){_widened(a)}"
    start = a.scaled("tl.cast(first, tl.int64)", slot.strides[2], DType.I64)
    keys = a.scaled(f"tl.arange(0, {a.block_n})[:, None]", slot.strides[2])
    part = a.scaled(f"{_part(piece)}[None, :]", slot.strides[3])
    exists = _both(f"(keys < {a.number(a.keys)})[:, None]" if partial else "", _part_exists(piece))
    index = " + ".join(t for t in (f"({start})" if start else "", f"({keys or 0} + {part or 0})") if t)
    return _load(f"{name}_head + {index}", exists) + _widened(a)


def _dot(a: Attention, left: str, right: str, onto: str) -> str:
    """left @ right + onto."""
    if a.q.dtype is DType.F64:  # no tensor core does it everywhere
        inner = f"tl.sum({left}[:, :, None] * ({right})[None, :, :], 1)"
        return f"{onto} + {inner}" if onto else inner
    exact = ""
    if a.q.dtype is DType.F32 or a.multiplies_as:
        exact = f', input_precision="{a.schedule["precision"]}"'
    return f"tl.dot({left}, {right}{', ' + onto if onto else ''}{exact})"


def _merge(a: Attention) -> list[str]:
    """The program of a row that comes last adds up what the others left: maxima, totals, sums of each."""
    widths = [p.width for p in a.values]
    each = a.block_m * (sum(widths) + 2)
    lanes = f"tl.arange(0, {a.block_m})"
    rows = "" if not _row_exists(a) else f"(rows < {a.number(a.rows)})"
    every = f"tl.arange(0, {a.splits})[:, None] * {each} + {lanes}[None, :]"
    factor = repr(a.to_exponent)

    def at(n: int) -> str:
        first = a.block_m * (2 + sum(widths[:n]))
        return f"{first} + {lanes}[:, None] * {widths[n]} + tl.arange(0, {widths[n]})[None, :]"

    def write(offset: str, value: str, column: str = "") -> str:
        return f"tl.store(mine + {offset}, {value}{f', mask={rows}{column}' if rows else ''})"

    def read(base: str, offset: str, index: str) -> str:
        exists = f", mask={rows}{index}, other=0.0" if rows else ""
        return f'tl.load({base} + {offset}{exists}, cache_modifier=".cg")'

    lines = [
        f"theirs = partial + program.to(tl.int64) * {a.splits * each}",
        f"mine = theirs + tl.program_id(1) * {each}",
        write(lanes, "highest"),
        write(f"{a.block_m} + {lanes}", "total"),
        *(write(at(n), f"sum{n}", "[:, None]") for n in range(len(widths))),
        "tl.debug_barrier()",
        'arrived = tl.atomic_add(arrivals + program, 1, sem="acq_rel")',
        "tl.debug_barrier()",
    ]
    last = [
        "tl.store(arrivals + program, 0)",
        f"maxima = {read('theirs', every, '[None, :]')}",
        "highest = tl.max(maxima, 0)",
        'shift = tl.where(highest == float("-inf"), 0.0, highest)',
        f"growth = tl.exp2((maxima - shift[None, :]) * {factor})",
        f"total = tl.sum({read(f'theirs + {a.block_m}', every, '[None, :]')} * growth, 0)",
        *(f"sum{n} = tl.zeros(({a.block_m}, {width}), {a.accumulator})" for n, width in enumerate(widths)),
        f"for split in tl.static_range({a.splits}):",
        f"    there = theirs + split * {each}",
        f"    grow = tl.exp2(({read('there', lanes, '')} - shift) * {factor})",
        *(f"    sum{n} += {read('there', at(n), '[:, None]')} * grow[:, None]" for n in range(len(widths))),
        *_finish(a),
    ]
    return [*lines, f"if arrived == {a.splits - 1}:", *(f"    {line}" for line in last)]


def _finish(a: Attention) -> list[str]:
    """out = sums / total, zeros where no key was seen."""
    lines = ["total = tl.where(total == 0.0, 1.0, total)", *_rows_at(a, "out", a.out)]
    for n, piece in enumerate(a.values):
        exists = _both(_row_exists(a), _part_exists(piece))
        part = a.scaled(f"{_part(piece)}[None, :]", a.out.strides[3])
        value = f"(sum{n} / total[:, None]).to(out.dtype.element_ty)"
        where = f", mask={exists}" if exists else ""
        lines.append(f"tl.store(out_rows[:, None] + {part or 0}, {value}{where})")
    return lines


def _part(piece: Piece) -> str:
    numbers = f"tl.arange(0, {piece.width})"
    return f"({piece.first} + {numbers})" if piece.first else numbers


def _part_exists(piece: Piece) -> str:
    return "" if piece.is_whole else f"({_part(piece)} < {piece.extent})[None, :]"


def _row_exists(a: Attention) -> str:
    rows: Dim = a.rows
    return "" if isinstance(rows, int) and rows % a.block_m == 0 else f"(rows < {a.number(rows)})[:, None]"


def _load(address: str, exists: str) -> str:
    return f"tl.load({address}, mask={exists}, other=0.0)" if exists else f"tl.load({address})"


def _widened(a: Attention) -> str:
    return f".to({a.multiplies_as})" if a.multiplies_as else ""


def _both(left: str, right: str) -> str:
    return f"{left} & {right}" if left and right else left or right
