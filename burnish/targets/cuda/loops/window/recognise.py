"""Small windows: depthwise convolution, pooling. Neighbouring lanes read mostly the same elements.

A kernel of windows reduces few taps. Each tap is a load at a linear index (perhaps with pointwise work on it, perhaps
times a weight), under conditions for the image's borders. `windows_of` finds that form. For a patch of `down` x
`across` neighbouring results, `terms_of` gives the element that each tap of each result reads. If patches do not divide
the image, the last ones begin earlier: they overlap, and both compute the same values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product as indexes
from math import prod

from burnish.dims import Dim, known
from burnish.dtypes import DType
from burnish.kernels.facts import Facts, conjuncts, without_clamps
from burnish.kernels.task import Loops
from burnish.ops.language.expr import Axis, Expr, Linear, linear, neutral
from burnish.targets.cuda.loops.arrange import reductions

MOST_TAPS = 64


@dataclass(frozen=True)
class Window:
    """One reduction: kind over taps of (`value` where all `inside` are >= 0, else neutral) [* weight].

    reads   the load that moves with the window, if there is one: in `value`
    """

    reduction: Expr
    inside: tuple[Linear, ...]
    value: Expr
    weight: Expr | None
    reads: Linear | None

    @property
    def axes(self) -> tuple[Axis, ...]:
        axes: tuple[Axis, ...] = self.reduction.attr[1]
        return axes

    @property
    def taps(self) -> int:
        return prod(known(a.extent) for a in self.axes)


@dataclass(frozen=True)
class Windows:
    """A kernel's windows, and the axes that patches lie along: `across` is the last before the channels.

    overlaps  may a patch be computed twice? Only if nothing else reads the memory in which results are stored
    """

    found: tuple[Window, ...]
    channels: Axis
    across: Axis
    down: Axis | None
    overlaps: bool


@dataclass(frozen=True)
class Term:
    """One tap of one result of a patch. row, column: where in the patch's input; tap: the values of its axes."""

    window: int
    result: tuple[int, int]
    tap: tuple[int, ...]
    row: int
    column: int
    conditions: tuple[Linear, ...]


@lru_cache(maxsize=256)
def windows_of(kernel: Loops) -> Windows | None:
    """The windows of an arranged kernel; None if it is another kind of kernel."""
    if len(kernel.domain) < 2 or not isinstance(kernel.domain[-1].extent, int):
        return None
    facts = Facts(kernel.slots)
    found = [_window(e, facts, kernel.domain) for e in reductions(kernel)]
    windows = [w for w in found if w is not None]
    if (
        not windows
        or len(windows) < len(found)
        or not all(_is_dense(s.slot, s.index, kernel, facts) for s in kernel.stores)
    ):
        return None
    across = kernel.domain[-2]
    down = kernel.domain[-3] if len(kernel.domain) >= 3 else None
    if down is not None and not all(_moves_by_row(w, down) for w in windows):
        down = None
    is_shared = any(_shares(w, across, w.axes[-1]) or (down and _shares(w, down, w.axes[0])) for w in windows)
    if not is_shared:
        return None
    inner = frozenset(x for w in windows for x in facts.loads(w.reduction))
    others = {x for s in kernel.stores for x in facts.loads(s.value)} - inner
    overlaps = not any(facts.free(x) & {across, down} for x in others)
    return Windows(tuple(windows), kernel.domain[-1], across, down, overlaps)


def terms_of(windows: Windows, down: int, across: int) -> Iterator[Term]:
    """Every tap that a patch needs. Taps certainly outside are left out; taps certainly inside have no condition."""
    starts: dict[Axis, int] = {windows.across: across}
    if windows.down is not None:
        starts[windows.down] = down
    for number, w in enumerate(windows.found):
        for q, p in indexes(range(down), range(across)):
            for tap in indexes(*(range(known(a.extent)) for a in w.axes)):
                place = dict(zip(w.axes, tap)) | {windows.across: p}
                if windows.down is not None:
                    place[windows.down] = q
                conditions = [moved(form, place, frozenset(w.axes)) for form in w.inside]
                reach = [_reach(form, starts) for form in conditions]
                if any(high is not None and high < 0 for _, high in reach):
                    continue
                kept = tuple(form for form, (low, _) in zip(conditions, reach) if low is None or low < 0)
                row, column = _position(w, windows, q, p, tap)
                yield Term(number, (q, p), tap, row, column, kept)


def moved(form: Linear, place: Mapping[Axis, int], gone: frozenset[Axis] = frozenset()) -> Linear:
    """The form some steps along axes; those in `gone` are then left out."""
    constant: Dim = form.constant
    for a, n in place.items():
        constant = constant + form.coefficients.get(a, 0) * n
    return Linear({a: c for a, c in form.coefficients.items() if a not in gone}, constant)


def _window(reduction: Expr, facts: Facts, domain: tuple[Axis, ...]) -> Window | None:
    """The window that a reduction computes, or None."""
    kind, axes = reduction.attr
    channels = domain[-1]
    extents = [a.extent for a in axes]
    taps = prod(n if isinstance(n, int) else 0 for n in extents)
    if not 2 <= taps <= MOST_TAPS or reduction.dtype is DType.BOOL:
        return None
    zero = neutral(kind, reduction.dtype)
    body, conditions = reduction.args[0], frozenset[Expr]()
    while body.op == "where" and body.args[2].op == "const" and body.args[2].attr == zero:
        conditions |= conjuncts(body.args[0])
        body = body.args[1]
    body = without_clamps(body, conditions)
    value, weight = _split(body, facts, axes, channels) if kind == "sum" else (body, None)
    inside = [_at_least_zero(c) for c in sorted(conditions, key=repr)]
    parts = [value] if weight is None else [value, weight]
    loads = [x for part in parts for x in facts.loads(part)]
    if any(form is None or not _is_whole(form) for form in inside) or channels not in facts.free(reduction):
        return None
    if any(facts.address(x.attr, x.args).atoms for x in loads) or not all(_is_plain(part) for part in parts):
        return None
    moving = {*axes, *domain[-3:-1]}
    forms = [facts.address(x.attr, x.args).form for x in facts.loads(value) if facts.free(x) & moving]
    if any(form.coefficients != forms[0].coefficients for form in forms):
        return None
    if forms and not (_is_whole(forms[0]) and forms[0].coefficients.get(channels) == 1):
        return None
    return Window(reduction, tuple(f for f in inside if f is not None), value, weight, forms[0] if forms else None)


def _split(body: Expr, facts: Facts, axes: tuple[Axis, ...], channels: Axis) -> tuple[Expr, Expr | None]:
    """A product, split into a value that moves over the image, and a weight that depends only on tap and channel."""
    if body.op == "mul":
        for value, weight in (body.args, body.args[::-1]):
            if facts.free(weight) <= {*axes, channels} and not facts.free(value) <= {*axes, channels}:
                return value, weight
    return body, None


def _at_least_zero(condition: Expr) -> Linear | None:
    """A comparison of linear indexes as a form that is >= 0 where it holds."""
    if condition.op not in ("ge", "gt", "le", "lt"):
        return None
    left, right = condition.args
    if left.dtype is not DType.I64:
        return None
    return linear(
        {"ge": left - right, "gt": left - right - 1, "le": right - left, "lt": right - left - 1}[condition.op]
    )


def _is_whole(form: Linear) -> bool:
    """Does the form hold only numbers?"""
    return isinstance(form.constant, int) and all(isinstance(c, int) for c in form.coefficients.values())


def _is_plain(part: Expr) -> bool:
    """No reduction inside, and axes only in the indexes of loads: then equal loads are equal values."""
    return part.op not in ("axis", "reduce") and (part.op == "load" or all(_is_plain(a) for a in part.args))


def _is_dense(slot: int, index: tuple[Expr, ...], kernel: Loops, facts: Facts) -> bool:
    """Are results of neighbouring channels neighbours?"""
    address = facts.address(slot, index)
    return not address.atoms and address.form.coefficients.get(kernel.domain[-1], 0) == 1


def _shares(window: Window, along: Axis, tap: Axis) -> bool:
    """Do neighbouring windows read some of the same elements?"""
    if window.reads is None:
        return False
    steps = window.reads.coefficients
    step, reach = steps.get(along, 0), steps.get(tap, 0) * (tap.extent - 1)
    return isinstance(step, int) and isinstance(reach, int) and 0 < step <= reach


def _moves_by_row(window: Window, down: Axis) -> bool:
    return window.reads is not None and down in window.reads.coefficients and len(window.axes) == 2


def _position(w: Window, windows: Windows, q: int, p: int, tap: tuple[int, ...]) -> tuple[int, int]:
    """Where a term's element lies in the patch's input: equal for equal elements, and in memory's order."""
    if w.reads is None:
        return 0, 0
    steps = w.reads.coefficients
    column = steps.get(windows.across, 0) * p + steps.get(w.axes[-1], 0) * tap[-1]
    row: Dim = sum(steps.get(a, 0) * n for a, n in zip(w.axes[:-1], tap[:-1]))
    if windows.down is not None:
        row = row + steps.get(windows.down, 0) * q
    return known(row), known(column)


def _reach(form: Linear, starts: Mapping[Axis, int]) -> tuple[int | None, int | None]:
    """The lowest and highest value, for patches of these sizes that begin inside the image; None if unknown."""
    low, high = known(form.constant), known(form.constant)
    for a, c in form.coefficients.items():
        if not isinstance(a.extent, int) or not isinstance(c, int):
            return None, None
        end = c * (a.extent - starts.get(a, 1))
        low, high = low + min(0, end), high + max(0, end)
    return low, high
