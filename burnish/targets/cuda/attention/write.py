"""Writes attention kernels as Triton text: addresses, one block of keys at a time, the end of a row.

    m' = max(m, max_j s_j);   p_j = exp2(s_j - m');   total' = total * exp2(m - m') + sum_j p_j;   sums likewise
    where p is rounded to codes: all blocks once for m and total, then again for p_j = exp2(s_j - m) / total and sums

A row that has seen no key has m = -inf and total = 0; nothing is ever subtracted from -inf.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from burnish.dims import ceildiv
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.targets.cuda.attention.finish import State, write_finish, write_merge, write_zeros
from burnish.targets.cuda.attention.kernel import LOG2E, Attention, Piece, dense_strides, power_of_two
from burnish.targets.cuda.attention.places import (
    Rows,
    both,
    head_at,
    part_exists,
    part_of,
    row_exists_column,
    rows_at,
    scaled,
    write_rows,
)
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.text import KernelText, Name

Q, K, V, MASK = range(4)  # slots
_TRITON = {DType.F8E4M3: "float8e4nv", DType.F16: "float16", DType.BF16: "bfloat16", DType.F32: "float32"}


def write_source(attention: Attention) -> Source:
    """The kernel under its schedule."""
    text = KernelText(attention.kernel.slots, attention.target, attention.names)
    rows = write_rows(text, attention)
    loop = _Loop(text, attention, rows, _write_operands(text, attention, rows), _write_state(text, attention))
    if attention.looks_twice:
        replace(loop, looks="first").write_all()
        loop = replace(loop, looks="second", whole=loop.write_whole())
    loop.write_all()
    if attention.splits > 1:
        write_merge(text, attention, rows, loop.state)
    else:
        write_finish(text, attention, rows, loop.state.total, loop.state.sums)
    warps, stages = attention.options.warps, attention.options.stages
    return text.source((attention.programs, attention.splits, 1), warps=warps, stages=stages)


@dataclass(frozen=True, slots=True)
class Operands:
    """queries: of the rows, [block_m, width] for each piece; keys, values: the addresses of the heads, or the maps;
    mask: the addresses of its rows."""

    queries: tuple[Name, ...]
    keys: Name
    values: Name
    mask: Name | None


def _write_operands(text: KernelText, attention: Attention, rows: Rows) -> Operands:
    base = text.pointer(Q)
    q_rows = rows_at(text, attention, rows, base, attention.q)
    queries = []
    for n, piece in enumerate(attention.depth):
        exists = both(row_exists_column(text, attention, rows), part_exists(piece))
        part = scaled(text, f"{part_of(piece)}[None, :]", attention.q.strides[3])
        queries.append(text.let(f"q{n}", f"{_load(f'{q_rows}[:, None] + {part or 0}', exists)}{_widened(attention)}"))
    if attention.copies:
        keys, values = _map(text, attention, K), _map(text, attention, V)
    else:
        keys = text.let("k_head", head_at(text, rows, text.pointer(K), attention.k, rows.key_head))
        values = text.let("v_head", head_at(text, rows, text.pointer(V), attention.v, rows.key_head))
    mask = rows_at(text, attention, rows, text.pointer(MASK), attention.mask) if attention.mask is not None else None
    return Operands(tuple(queries), keys, values, mask)


def _map(text: KernelText, attention: Attention, number: int) -> Name:
    """Keys or values as a tensor map; a box is a block of them."""
    slot = attention.kernel.slots[number]
    box = (1, 1, attention.block_n, power_of_two(slot.shape[3]))
    return text.tensor_map(attention.names[number], number, slot.shape, dense_strides(slot), box)


def _write_state(text: KernelText, attention: Attention) -> State:
    """The state before any key is seen."""
    highest = text.variable("highest", f'tl.full(({attention.block_m},), float("-inf"), {attention.accumulator})')
    total = text.variable("total", f"tl.zeros(({attention.block_m},), {attention.accumulator})")
    return State(highest, total, tuple(write_zeros(text, attention)))


@dataclass(frozen=True, slots=True)
class Whole:
    """What the first of two looks has found. shift: the maximum, as an exponent; factor: of exp2, to the codes of p."""

    shift: Name
    factor: Name


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loops over blocks of keys. looks: once; or twice, where the first one finds `whole`."""

    text: KernelText
    attention: Attention
    rows: Rows
    operands: Operands
    state: State
    looks: str = "once"
    whole: Whole | None = None

    def write_all(self) -> None:
        """First the blocks in which every key exists and is seen by every row, then the others."""
        attention, text = self.attention, self.text
        keys, step = text.number(attention.keys, DType.I32), attention.block_n
        fits = isinstance(attention.keys, int) and attention.keys % step == 0
        start, end = "0", keys
        if attention.splits > 1:
            each = ceildiv(ceildiv(attention.keys, step), attention.splits) * step
            start = text.let("start", f"tl.program_id(1) * {text.number(each, DType.I32)}")
            end = text.let("end", f"tl.minimum({start} + {text.number(each, DType.I32)}, {keys})")
        if attention.kernel.causal and not attention.packs:
            seen = f"{self.rows.block} * {attention.block_m} + {self._ahead()}"
            end = text.let("end", f"tl.minimum({end}, {seen} + {attention.block_m})")
            whole = text.let("whole", f"tl.maximum({start}, tl.minimum({end}, {seen} + 1) // {step} * {step})")
            self._write(start, whole, False)
            self._write(whole, end, True)
        elif attention.kernel.causal or fits:
            self._write(start, end, attention.kernel.causal)
        elif isinstance(attention.keys, int) and attention.splits == 1:
            most = attention.keys // step * step
            if most:
                self._write("0", str(most), False)
            self._write(str(most), keys, True)
        else:
            whole = text.let("whole", f"{start} + tl.maximum({end} - {start}, 0) // {step} * {step}")
            self._write(start, whole, False)
            self._write(whole, end, True)

    def _ahead(self) -> str:
        """The number of keys minus the number of queries: each row sees so many more keys."""
        return self.text.number(self.attention.keys - self.attention.queries, DType.I32)

    def _write(self, start: str, end: str, partial: bool) -> None:
        """Blocks of keys from `start` to `end`; `partial`: some keys do not exist, or some rows do not see them."""
        attention, text = self.attention, self.text
        with text.loop(text.name("first"), f"range({start}, {end}, {attention.block_n})") as first:
            numbers = text.let("keys", f"{first} + tl.arange(0, {attention.block_n})")
            exist = f"({numbers} < {text.number(attention.keys, DType.I32)})" if partial else ""
            # all loads are on their way before the first product
            keys = [text.let(f"k{n}", self._operand(K, piece, first, exist)) for n, piece in enumerate(attention.depth)]
            pieces = () if self.looks == "first" else attention.values
            values = [text.let(f"v{n}", self._value(piece, first, exist)) for n, piece in enumerate(pieces)]
            score = self._write_scores(keys, numbers, partial, exist)
            if self.whole is not None:
                p, fade = self._write_codes(score, self.whole), ""
            else:
                p, grown = self._write_softmax(score)
                fade = f" * {grown}[:, None]"
            is_wide = attention.weights in (DType.F32, DType.F64) or attention.multiplies_as
            rounded = ".to(tl.float8e4nv)" if attention.looks_twice else ""
            factor = p if is_wide else f"{p}{rounded}.to(tl.{_TRITON[attention.weights]})"
            for value, total in zip(values, self.state.sums if values else (), strict=True):
                text.assign(
                    total, _dot(attention, factor, value, f"{total}{fade}", attention.weights, attention.block_n)
                )

    def _value(self, piece: Piece, first: Name, exist: str) -> str:
        """A block of values, in the type in which they are multiplied."""
        attention = self.attention
        is_other = attention.weights is not attention.v.dtype
        return self._operand(V, piece, first, exist) + (f".to(tl.{_TRITON[attention.weights]})" if is_other else "")

    def _operand(self, number: int, piece: Piece, first: Name, exist: str) -> str:
        """A block of keys or values, [block_n, width]; elements that do not exist are 0."""
        attention, text, slot = self.attention, self.text, self.attention.kernel.slots[number]
        base = self.operands.keys if number == K else self.operands.values
        if attention.copies:
            place = f"{self.rows.batch}, {self.rows.key_head}, {first}, 0"
            return f"{base}.load([{place}]).reshape({attention.block_n}, {piece.width}){_widened(attention)}"
        start = scaled(text, f"tl.cast({first}, tl.int64)", slot.strides[2], DType.I64)
        keys = scaled(text, f"tl.arange(0, {attention.block_n})[:, None]", slot.strides[2])
        part = scaled(text, f"{part_of(piece)}[None, :]", slot.strides[3])
        exists = both(f"{exist}[:, None]" if exist else "", part_exists(piece))
        index = " + ".join(t for t in (f"({start})" if start else "", f"({keys or 0} + {part or 0})") if t)
        return _load(f"{base} + {index}", exists) + _widened(attention)

    def _write_scores(self, keys: list[Name], numbers: Name, partial: bool, exist: str) -> Name:
        """scale * q k^T, capped and masked; [block_m, block_n]."""
        attention, text = self.attention, self.text
        dtype, (first, *others) = attention.q.dtype, zip(self.operands.queries, keys, attention.depth, strict=True)
        score = text.let("score", _dot(attention, first[0], f"{first[1]}.T", "", dtype, first[2].width))
        for query, key, piece in others:
            score = text.let("score", _dot(attention, query, f"{key}.T", score, dtype, piece.width))
        if not attention.scales_late:
            score = text.let("score", f"{score} * {attention.kernel.scale!r}")
        if cap := attention.kernel.softcap:  # cap * tanh(score / cap)
            grown = f"tl.exp2({score} * {2 * LOG2E / cap!r})"
            score = text.let("score", f"{cap!r} - {2 * cap!r} / ({grown} + 1.0)")
        seen = ""
        if partial and attention.kernel.causal:
            last = f"{self.rows.queries}[:, None] + {self._ahead()}"
            seen = f"({numbers}[None, :] <= {last})"
        if partial and (not attention.kernel.causal or attention.packs):
            seen = both(seen, f"{exist}[None, :]")
        if attention.mask is not None:
            chosen = self._write_mask(attention.mask, numbers, exist)
            if attention.is_masked_by_number:
                score = text.let("score", f"{score} + {chosen}.to({attention.accumulator})")
            else:
                seen = both(seen, f"({chosen} != 0)")
        return text.let("score", f'tl.where({seen}, {score}, float("-inf"))') if seen else score

    def _write_mask(self, mask: Slot, numbers: Name, exist: str) -> Name:
        """The mask at these rows and keys. An axis along which the mask does not vary keeps extent 1."""
        attention, text, base = self.attention, self.text, self.text.pointer(MASK)
        varies = mask.strides[2] != 0 or (attention.packs and mask.strides[1] != 0)
        rows = f"{self.operands.mask}[:, None]"
        if not varies and not attention.packs:
            rows = f"({head_at(text, self.rows, base, mask, self.rows.head)})"
        elif not varies:
            batch = scaled(text, f"{self.rows.batch}.to(tl.int64)", mask.strides[0], DType.I64)
            rows = f"({base} + {batch or 0})"
        keys = scaled(text, f"{numbers}[None, :]", mask.strides[3])
        exists = row_exists_column(text, attention, self.rows) if varies else ""
        if keys and exist:
            exists = both(exists, f"{exist}[None, :]")
        return text.let("chosen", _load(f"{rows} + {keys or 0}", exists))

    def _write_softmax(self, score: Name) -> tuple[Name, Name]:
        """Turn scores into exponentials. Returns them, and the factor by which the earlier sums are scaled."""
        attention, text, state, factor = self.attention, self.text, self.state, repr(self.attention.to_exponent)
        now = text.let("now", f"tl.maximum({state.highest}, tl.max({score}, 1))")
        may_be_empty = attention.mask is not None or attention.kernel.causal or attention.splits > 1
        shift = text.let("shift", f'tl.where({now} == float("-inf"), 0.0, {now})' if may_be_empty else now)
        if attention.scales_late:
            shift = text.let("shift", f"{shift} * {factor}")
            p = text.let("p", f"tl.exp2({score} * {factor} - {shift}[:, None])")
            fade = text.let("fade", f"tl.exp2({state.highest} * {factor} - {shift})")
        else:  # the difference first: a mask's lowest finite number, times log2(e), would be -inf
            p = text.let("p", f"tl.exp2(({score} - {shift}[:, None]) * {factor})")
            fade = text.let("fade", f"tl.exp2(({state.highest} - {shift}) * {factor})")
        text.assign(state.total, f"{state.total} * {fade} + tl.sum({p}, 1)")
        text.assign(state.highest, now)
        return p, fade

    def write_whole(self) -> Whole:
        """After the first look: softmax_j = exp2(s_j * to_exponent - shift) * factor * the scale of its codes."""
        attention, text, (highest, total) = self.attention, self.text, (self.state.highest, self.state.total)
        assert attention.codes is not None
        shift = text.let("shift", f'tl.where({highest} == float("-inf"), 0.0, {highest})')
        if attention.scales_late:
            shift = text.let("shift", f"{shift} * {attention.to_exponent!r}")
        known = f"tl.where({total} == 0.0, 1.0, {total})"
        return Whole(shift, text.let("factor", f"{1 / attention.codes.weights!r} / {known}"))

    def _write_codes(self, score: Name, whole: Whole) -> Name:
        """The softmax over the scale of its codes; the conversion saturates by itself."""
        attention, text, factor = self.attention, self.text, repr(self.attention.to_exponent)
        if attention.scales_late:
            power = f"{score} * {factor} - {whole.shift}[:, None]"
        else:
            power = f"({score} - {whole.shift}[:, None]) * {factor}"
        return text.let("p", f"tl.exp2({power}) * {whole.factor}[:, None]")


def _load(address: str, exists: str) -> str:
    return f"tl.load({address}, mask={exists}, other=0.0)" if exists else f"tl.load({address})"


def _widened(attention: Attention) -> str:
    return f".to({attention.multiplies_as})" if attention.multiplies_as else ""


def _dot(attention: Attention, left: str, right: str, onto: str, dtype: DType, depth: int) -> str:
    """left @ right + onto; depth: of the sum. Sums of float8 go on in f32 (`Tile.exact` says why)."""
    if dtype is DType.F64:  # not every tensor core can do this
        inner = f"tl.sum({left}[:, :, None] * ({right})[None, :, :], 1)"
        return f"{onto} + {inner}" if onto else inner
    exact = ""
    if dtype is DType.F32 or attention.multiplies_as:
        exact = f', input_precision="{attention.options.precision}"'
    elif dtype is DType.F8E4M3:
        exact = f", max_num_imprecise_acc={depth}"
    return f"tl.dot({left}, {right}{', ' + onto if onto else ''}{exact})"
