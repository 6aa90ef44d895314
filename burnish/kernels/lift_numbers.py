"""Numbers in which otherwise equal kernels differ become operands, so that a network's layers share their code.

    0[i] / 0.0377 + 120.0        0[i] / 1[0] + 1[1]        1: the launch's own (0.0377, 120.0)
    0[i] / 0.0412 + 117.0        0[i] / 1[0] + 1[1]        1: (0.0412, 117.0)

Quantised networks have a scale and a zero point for each tensor, and each kernel of BERT would be compiled twelve times
for them. A number that all of the kernels have in common stays in the code. So does one that changes the shape of the
code: 0 (a sum with it vanishes), 1 and -1 (a product does), a divisor that is a power of two (a product is as exact),
infinities and NaN, exponents, and integers but for those that are added to or taken from 32 bits: the rest are indices
or shifts, of which the target must know more. The loads do not depend on any axis; they are outside of all loops, or
broadcasts of memory, as numbers in the code would be.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Branch, Contraction, Launch, Loops, Program, Step, Storage, Store, each_launch
from burnish.ops.language.expr import COMPARE, Expr, const, load, rebuild, substitute

Number = tuple[DType, float | int]
ALIGN = 16  # the elements between the numbers of two launches: whole cache lines
_OF_FLOATS = COMPARE | {"add", "sub", "mul", "unfused_mul", "div", "quotient", "max", "min", "where"}
_PRODUCTS = ("mul", "unfused_mul", "div")


def lift_numbers(program: Program) -> Program:
    """The program with as few distinct kernels as that gives. Chains stay: their numbers are those of transforms."""
    families: dict[str, dict[str, _Open]] = defaultdict(dict)  # kernels by their text without numbers, then by key
    for key, kernel in {launch.kernel.key: launch.kernel for launch in each_launch(program.steps)}.items():
        if isinstance(kernel, Loops | Contraction):
            opened = _opened(kernel)
            families[opened.kernel.key][key] = opened
    operands = _Operands(len(program.storages))
    lifted: dict[str, _Lifted] = {}
    for family in families.values():
        if len(family) > 1:
            lifted |= _shared(family, operands)
    if not lifted:
        return program
    constants = {operands.storage_of[t]: np.array(v, t.numpy) for t, v in operands.values.items()}
    storages = [Storage(n, "constant", a.nbytes, f"numbers/{DType.of(a.dtype).value}") for n, a in constants.items()]
    return replace(
        program,
        storages=(*program.storages, *storages),
        constants=program.constants | constants,
        steps=tuple(_with_operands(program.steps, lifted)),
    )


@dataclass(frozen=True, eq=False)
class _Open:
    """A kernel with loads of ("number", i) where its numbers stood."""

    kernel: Loops | Contraction
    numbers: tuple[Number, ...]


@dataclass(frozen=True, eq=False)
class _Lifted:
    """A kernel with operands, and what its launches bind to them."""

    kernel: Loops | Contraction
    bindings: tuple[Binding, ...]


@dataclass
class _Operands:
    """The numbers of all launches, by dtype; each dtype has one storage."""

    first: int  # the number of the first storage
    values: dict[DType, list[float | int]] = field(default_factory=dict)
    storage_of: dict[DType, int] = field(default_factory=dict)
    _places: dict[tuple[Number, ...], Binding] = field(default_factory=dict)

    def place(self, numbers: tuple[Number, ...]) -> Binding:
        """The place of numbers of one dtype."""
        if numbers not in self._places:
            dtype = numbers[0][0]
            storage = self.storage_of.setdefault(dtype, self.first + len(self.storage_of))
            kept = self.values.setdefault(dtype, [])
            self._places[numbers] = Binding(storage, len(kept))
            kept += [value for _, value in numbers] + [0] * (-len(numbers) % ALIGN)
        return self._places[numbers]


def _opened(kernel: Loops | Contraction) -> _Open:
    numbers: list[Number] = []
    done: dict[Expr, Expr] = {}  # stores may share expressions

    def replace_numbers(e: Expr) -> Expr | None:
        if e not in done and any(_is_operand(e, n) for n in range(len(e.args))):
            args = list(e.args)
            for n, a in enumerate(args):
                if _is_operand(e, n):
                    args[n] = load(("number", len(numbers)), a.dtype, ())
                    numbers.append((a.dtype, a.attr))
            done[e] = rebuild(e, tuple(args))
        return done.get(e)

    stores = tuple(Store(s.slot, s.index, substitute(s.value, replace_numbers)) for s in kernel.stores)
    return _Open(replace(kernel, stores=stores), tuple(numbers))


def _is_operand(user: Expr, n: int) -> bool:
    """May this argument, if it is a number, be loaded? Not if its value changes the shape of the code."""
    number = user.args[n]
    if number.op != "const" or number.attr == 0:
        return False
    if not number.dtype.is_float:
        return number.dtype is DType.I32 and user.op in ("add", "sub")
    if user.op not in _OF_FLOATS or not math.isfinite(number.attr):
        return False
    if user.op in _PRODUCTS and abs(number.attr) == 1:
        return False
    return not (user.op == "div" and n == 1 and abs(math.frexp(number.attr)[0]) == 0.5)


def _shared(family: Mapping[str, _Open], operands: _Operands) -> dict[str, _Lifted]:
    """One kernel for a family, and for each of its members, by key, what takes the place of its numbers."""
    first = next(iter(family.values()))
    members = list(family)
    columns = list(zip(*(family[key].numbers for key in members)))
    varying = dict.fromkeys(c for c in columns if len(set(c)) > 1)
    slots, at = list(first.kernel.slots), dict[tuple[Number, ...], tuple[int, int]]()
    bindings: dict[str, list[Binding]] = {key: [] for key in members}
    for dtype in dict.fromkeys(c[0][0] for c in varying):
        own = [c for c in varying if c[0][0] is dtype]
        at |= {c: (len(slots), n) for n, c in enumerate(own)}
        slots.append(Slot(dtype, (len(own),), (1,)))
        for key, numbers in zip(members, zip(*own)):
            bindings[key].append(operands.place(numbers))

    def number(e: Expr) -> Expr | None:
        if e.op != "load" or not isinstance(e.attr, tuple):
            return None
        column = columns[e.attr[1]]
        if column not in at:
            return const(column[0][1], e.dtype)
        slot, place = at[column]
        return load(slot, e.dtype, [place])

    stores = tuple(Store(s.slot, s.index, substitute(s.value, number)) for s in first.kernel.stores)
    kernel = replace(first.kernel, slots=tuple(slots), stores=stores)
    return {key: _Lifted(kernel, tuple(bindings[key])) for key in members}


def _with_operands(steps: Sequence[Step], lifted: Mapping[str, _Lifted]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Branch):
            then, otherwise = (tuple(_with_operands(side, lifted)) for side in (step.then, step.otherwise))
            yield replace(step, then=then, otherwise=otherwise)
        elif isinstance(step, Launch) and (found := lifted.get(step.kernel.key)) is not None:
            added = found.kernel.slots[len(step.kernel.slots) :]
            yield replace(
                step,
                kernel=found.kernel,
                bindings=(*step.bindings, *found.bindings),
                tensors=(*step.tensors, *added) if step.tensors else (),
            )
        else:
            yield step
