"""The Triton source of a kernel of windows: each lane computes a patch of `down` x `across` neighbouring results.

programs   blocks of patches x blocks of channels; channels change fastest
a program  a [rows, block] tile: a patch a row, a channel a column
           for every row of the patch's input: all its elements, each loaded once; then every product that takes them

Every value has the tile's full shape, so all loads get one layout and no value moves between threads. Elements of one
window have the same pointer plus a number, which the load instruction adds at no cost.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from burnish.dims import Dim, ceildiv, product
from burnish.dtypes import DType
from burnish.kernels.facts import Address, Facts
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, Expr, Linear, axis, const, neutral, substitute_axes
from burnish.target import Target
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.arithmetic import literal, register_kind, stored_kind
from burnish.targets.cuda.expressions.codes import know_codes
from burnish.targets.cuda.expressions.emitter import Value, emitter_at, placed
from burnish.targets.cuda.loops.axes import bind, columns_block, is_wide, rows_block, whole_mask
from burnish.targets.cuda.loops.options import WindowOptions
from burnish.targets.cuda.loops.window.recognise import Term, Window, Windows, moved, terms_of
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.text import KernelText

_FULL = frozenset({0, 1})
_Key = tuple[tuple[Axis, Dim], ...]


def source_of(kernel: Loops, windows: Windows, options: WindowOptions, target: Target) -> Source:
    """The source of an arranged kernel."""
    return _Patch(kernel, windows, options, target).source()


class _Patch:
    """One kernel while it is being written."""

    def __init__(self, kernel: Loops, windows: Windows, options: WindowOptions, target: Target) -> None:
        self.kernel, self.windows, self.options = kernel, windows, options
        self.down, self.across = options.down, options.across
        self.rows, self.block = options.rows, options.block
        self.facts, self.text = Facts(kernel.slots), KernelText(kernel.slots, target)
        self.scope = emitter_at(self.text, {})
        self.shape = f"[{self.rows}, {self.block}]"
        self.starts = {windows.across: _start(windows.across, self.across)}
        if windows.down is not None:
            self.starts[windows.down] = _start(windows.down, self.down)
        self.ahead = options.ahead
        self.tail: list[str] = []  # masks of lanes that exist
        self.column_tail: list[str] = []
        self.loads: dict[object, dict[Expr, Value]] = {}
        self.values: dict[object, Value] = {}
        self.masks: dict[object, str] = {}
        self.bases: dict[tuple[int, _Key], str] = {}
        self.totals: dict[tuple[int, tuple[int, int]], str] = {}

    def source(self) -> Source:
        self.text.wait()
        grid = self._bind()
        self._accumulate()
        self._store()
        return self.text.source(
            (grid, 1, 1),
            warps=self.options.warps,
            stages=1,
            registers=self.options.registers,
            name=str(self.options.schedule),
        )

    # -- where a program's patches lie ----------------------------------------------------------------------------

    def _bind(self) -> Dim:
        """Write the places of all axes. Returns the number of programs."""
        scope, channels = self.scope, self.windows.channels
        counted = [self._counted(a) for a in self.kernel.domain[:-1]]
        patches = product(a.extent for a in counted)
        blocks = ceildiv(channels.extent, self.block)
        first, row = "", "tl.program_id(0)"
        if blocks != 1:
            row = scope.code.let(row, "program")
            number = scope.code.let(f"{row} % {blocks}", "number")
            first = f"{number} * {self.block}"
            row = scope.code.let(f"{row} // {blocks}", "program")
        start = f"{row}.to(tl.int64)" if is_wide(counted) else row
        index = scope.code.let(rows_block(self.rows, f"{start} * {self.rows}"), "row")
        row_mask = whole_mask(scope, index, self.rows, patches)
        places = bind(scope, counted, index, 0, row_mask)
        column = scope.code.let(columns_block(self.block, first), "column")
        column_mask = whole_mask(scope, column, self.block, channels.extent)
        bound = {channels: placed(column, frozenset({1}), column_mask)}
        for a, c in zip(self.kernel.domain, counted):
            bound[self.starts.get(a, a)] = self._first(a, places[c])
        self.scope = scope.inside(bound)
        self.tail = [m for m in (row_mask, column_mask) if m]
        self.column_tail = [m for m in (column_mask,) if m]
        return ceildiv(patches, self.rows) * blocks

    def _size(self, a: Axis) -> int:
        """Results of a patch along an axis."""
        return self.across if a == self.windows.across else self.down if a == self.windows.down else 1

    def _counted(self, a: Axis) -> Axis:
        return Axis(f"{a.name}_patch", ceildiv(a.extent, self._size(a)))

    def _first(self, a: Axis, place: Value) -> Value:
        """A patch's first result along an axis. If patches do not divide the axis, the last patch begins earlier."""
        size = self._size(a)
        if size == 1:
            return place
        text = f"{place.text} * {size}"
        if not isinstance(a.extent, int) or a.extent % size:
            text = f"tl.minimum({text}, {self.text.number(a.extent - size)})"
        return replace(place, text=self.scope.code.let(text, "first"), constant=False)

    # -- the sums -------------------------------------------------------------------------------------------------

    def _accumulate(self) -> None:
        """Go through the rows of the patch's input. The loads of a row come `ahead` rows before its products."""
        terms = sorted(terms_of(self.windows, self.down, self.across), key=lambda t: (t.row, t.column, t.window, t.tap))
        rows = [list(row) for _, row in groupby(terms, key=lambda t: t.row)]
        for row in rows[: self.ahead]:
            self._ask(row)
        for n, row in enumerate(rows):
            for later in rows[n + self.ahead : n + self.ahead + 1]:
                self._ask(later)
            for t in row:
                weight = None if self.windows.found[t.window].weight is None else self._weight(t).text
                self._add(t, self.windows.found[t.window].reduction, self._value(t).text, weight)

    def _ask(self, row: list[Term]) -> None:
        """The loads of a row: its elements, and the weights that no row before needed."""
        for t in row:
            key = self._value_key(t)
            if key not in self.loads:
                self.loads[key] = self._loaded(t)
        for t in row:
            weight = self.windows.found[t.window].weight
            if weight is not None and (t.window, t.tap) not in self.loads:
                self.loads[t.window, t.tap] = self._loads_of(weight, self._place(t), self._mask((), self.column_tail))

    def _weight(self, t: Term) -> Value:
        """A tap's weight in the tile's full shape."""
        key, weight = (t.window, t.tap), self.windows.found[t.window].weight
        assert weight is not None
        if key not in self.values:
            self.values[key] = self._computed(weight, self._place(t), self.loads[key])
        return self.values[key]

    def _add(self, term: Term, reduction: Expr, value: str, weight: str | None) -> None:
        """One more tap of a result."""
        key, kind = (term.window, term.result), reduction.attr[0]
        total = self.totals.get(key)
        if weight is not None and total is not None and reduction.dtype.is_float:
            text = f"tl.fma({value}, {weight}, {total})"
        else:
            text = value if weight is None else f"{value} * {weight}"
            text = text if total is None else arithmetic.combine(self.text, kind, reduction.dtype, total, f"({text})")
        self.totals[key] = self.scope.code.let(text, "total")

    def _value_key(self, t: Term) -> object:
        """Terms of one key have one value: the same element under the same conditions."""
        conditions = tuple((tuple(form.coefficients.items()), form.constant) for form in t.conditions)
        window = self.windows.found[t.window]
        return window.value, window.reduction.attr[0], t.row, t.column, conditions

    def _place(self, t: Term) -> dict[Axis, int]:
        place = dict(zip(self.windows.found[t.window].axes, t.tap)) | {self.windows.across: t.result[1]}
        if self.windows.down is not None:
            place[self.windows.down] = t.result[0]
        return place

    def _loaded(self, t: Term) -> dict[Expr, Value]:
        window = self.windows.found[t.window]
        mask = self._mask(t.conditions)
        other = neutral(window.reduction.attr[0], window.reduction.dtype) if _is_bare(window.value) else 0
        return self._loads_of(window.value, self._place(t), mask, other)

    def _value(self, t: Term) -> Value:
        """The value of a term's element; the neutral value where a condition fails."""
        key, window = self._value_key(t), self.windows.found[t.window]
        if key not in self.values:
            found = self._computed(window.value, self._place(t), self.loads[key])
            mask = self._mask(t.conditions) if t.conditions else ""
            if mask and not _is_bare(window.value):
                zero = literal(neutral(window.reduction.attr[0], window.value.dtype), found.kind)
                found = Value(self.scope.code.let(f"tl.where({mask}, {found.text}, {zero})"), found.kind, found.dims)
            self.values[key] = found
        return self.values[key]

    def _computed(self, part: Expr, place: dict[Axis, int], loads: dict[Expr, Value]) -> Value:
        """A value or a weight of one term, from its loads."""
        at = self._indexes(place)
        scope = self.scope.inside({})
        for load, found in loads.items():
            kind = register_kind(load.dtype)
            text = found.text if found.kind == kind else f"{found.text}.to(tl.{kind})"
            scope.remember(substitute_axes(load, at), Value(text, kind, _FULL))
        found = scope.code.named(scope.value(substitute_axes(part, at)))
        if found.dims == _FULL:
            return found
        return Value(scope.code.let(f"tl.broadcast_to({found.text}, {self.shape})"), found.kind, _FULL)

    # -- loads ----------------------------------------------------------------------------------------------------

    def _loads_of(
        self, part: Expr, place: dict[Axis, int], mask: str, other: float | int | bool = 0
    ) -> dict[Expr, Value]:
        """The loads in a value or a weight, in their type in memory."""
        found = {}
        for load in sorted(self.facts.loads(part), key=repr):
            form = self.facts.address(load.attr, load.args).form
            form = moved(form, place, frozenset(a for a in place if a not in self.starts))
            found[load] = self._load(load, form, mask, other)
        return found

    def _load(self, load: Expr, form: Linear, mask: str, other: float | int | bool) -> Value:
        """One element for each lane, in the tile's full shape."""
        key: _Key = tuple(form.coefficients.items())
        base = self.bases.get((load.attr, key))
        if base is None:
            moving = {self.starts.get(a, a): c for a, c in key}
            offset = self.scope.offset(Address(Linear(moving, 0), ()))
            place = f"{self.text.pointer(load.attr)} + {offset.text}"
            base = self.scope.code.let(f"tl.broadcast_to({place}, {self.shape})", "base")
            self.bases[load.attr, key] = base
        place = base if form.constant == 0 else f"{base} + {self.text.number(form.constant)}"
        stored = stored_kind(load.dtype)
        masking = f", mask={mask}, other={literal(other, stored)}" if mask else ""
        return Value(self.scope.code.let(f"tl.load({place}{masking})"), stored, _FULL)

    def _mask(self, conditions: tuple[Linear, ...], tail: list[str] | None = None) -> str:
        """The mask of lanes that exist and whose element exists."""
        names = [*(self.tail if tail is None else tail), *(self._condition(form) for form in conditions)]
        key = frozenset(names)
        if key not in self.masks:
            self.masks[key] = names[0] if len(key) == 1 else self.scope.code.let(" & ".join(names), "m") if key else ""
        return self.masks[key]

    def _condition(self, form: Linear) -> str:
        key = (tuple(form.coefficients.items()), form.constant)
        if key not in self.masks:
            total = const(0, DType.I64)
            for a, c in form.coefficients.items():
                total = total + axis(self.starts.get(a, a)) * c
            self.masks[key] = self.scope.code.let(
                f"{self.scope.value(total).text} >= {self.text.number(form.constant * -1)}", "m"
            )
        return self.masks[key]

    # -- the results ----------------------------------------------------------------------------------------------

    def _store(self) -> None:
        """Compute and store the results from the sums, one after another."""
        inner = {x for w in self.windows.found for x in self.facts.loads(w.reduction)}
        others = dict.fromkeys(x for s in self.kernel.stores for x in sorted(self.facts.loads(s.value), key=repr))
        for x in others:
            if x not in inner and self.facts.free(x) == {self.windows.channels} and _is_linear(x, self.facts):
                self.scope.remember(x, self._computed(x, {}, self._loads_of(x, {}, self._mask((), self.column_tail))))
        for result in [(q, p) for q in range(self.down) for p in range(self.across)]:
            at = self._indexes(
                {a: n for a, n in zip((self.windows.down, self.windows.across), result) if a is not None}
            )
            for number, w in enumerate(self.windows.found):
                self.scope.remember(substitute_axes(w.reduction, at), self._total(number, w, result))
            stores = [
                Store(s.slot, tuple(substitute_axes(e, at) for e in s.index), substitute_axes(s.value, at))
                for s in self.kernel.stores
            ]
            know_codes(self.scope, stores)
            self.scope.stores(stores)

    def _total(self, number: int, window: Window, result: tuple[int, int]) -> Value:
        kind = register_kind(window.reduction.dtype)
        text = self.totals.get((number, result))
        if text is None:  # no tap is inside the image
            nothing = literal(neutral(window.reduction.attr[0], window.reduction.dtype), kind)
            text = self.scope.code.let(f"tl.full({self.shape}, {nothing}, tl.{kind})", "total")
        return Value(text, kind, _FULL)

    def _indexes(self, place: dict[Axis, int]) -> dict[Axis, Expr]:
        """Index expressions of axes, some steps into the patch."""
        found = {a: const(n, DType.I64) for a, n in place.items() if a not in self.starts}
        return found | {a: axis(start) + place.get(a, 0) for a, start in self.starts.items()}


def _start(a: Axis, size: int) -> Axis:
    """The axis of patches' first results."""
    return Axis(a.name, a.extent - size + 1) if size > 1 else a


def _is_bare(value: Expr) -> bool:
    """A load, perhaps widened: what is loaded in its place where it does not exist can be neutral by itself."""
    return value.op == "load" or (value.op == "cast" and value.dtype.is_float and _is_bare(value.args[0]))


def _is_linear(load: Expr, facts: Facts) -> bool:
    return not facts.address(load.attr, load.args).atoms
