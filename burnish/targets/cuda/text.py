"""The text of a GPU kernel while it is written: lines, names and parameters.

    text = KernelText(kernel.slots, target)
    row = text.let("row", "tl.arange(0, 64)")                        row = tl.arange(0, 64)
    with text.loop(text.name("step"), "range(9)") as step:           for step in range(9):
        text.line(f"tl.store({text.pointer(2)} + {row}, {step})")        tl.store(slot2 + row, step)

`let` gives a new name each time, so no part of a text can change the meaning of another part's name. Only a `variable`
changes, by `assign`. A slot, a size, a map or a workspace becomes a parameter when its name is requested. A function
becomes part of the text when it is called.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NewType

from burnish.dims import Dim, Symbol, divisor
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.source import Parameter, Pointer, Size, Source, TensorMap, Workspace

INT32 = 1 << 31
SPECIAL = 16  # compilers use no larger divisors of a number

Name = NewType("Name", str)
Variable = NewType("Variable", Name)  # a name whose value `assign` may change
Order = Callable[[Parameter], Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that stands before the kernel, if the kernel calls it."""

    name: str
    text: str


class KernelText:
    """See the module.

    slots     of the kernel; names: the names of their pointers (default: slot0 ...)
    overlaps  may a launch begin before the previous one has ended, so that it must wait?
    has_pairs may 16-bit integers be compared two at a time?
    origins   for each line: the function of a template that wrote it
    """

    def __init__(self, slots: Sequence[Slot], target: Target, names: Sequence[str] = ()) -> None:
        self.slots = tuple(slots)
        self.overlaps, self.has_pairs = chip_of(target).overlaps_launches, chip_of(target).has_pairs
        self.lines: list[str] = []
        self.origins: list[str] = []
        self.depth = 1  # of the block that lines are written in
        self._pointer_names = tuple(names) or tuple(f"slot{n}" for n in range(len(self.slots)))
        self._taken: set[str] = set()
        self._count = 0
        self._functions: dict[str, Function] = {}
        self._pointers: dict[tuple[int, DType], Pointer] = {}
        self._memory: dict[Name, TensorMap | Workspace] = {}
        self._sizes: dict[tuple[Dim, DType], Size] = {}

    # -- names ----------------------------------------------------------------------------------------------------

    def name(self, stem: str) -> Name:
        """A unique name: the stem itself, or the stem with a number behind it."""
        found, number = stem, 0
        while found in self._taken:
            number += 1
            found = f"{stem}_{number}"
        self._taken.add(found)
        return Name(found)

    def numbered(self, stem: str) -> Name:
        """Like `name`, for one of the many values of an expression: always with a number."""
        self._count += 1
        return self.name(f"{stem}{self._count}")

    def let(self, stem: str, expression: str) -> Name:
        """Give a value a name."""
        found = self.name(stem)
        self.line(f"{found} = {expression}")
        return found

    def variable(self, stem: str, expression: str) -> Variable:
        """Like `let`, for a value that `assign` changes."""
        return Variable(self.let(stem, expression))

    def assign(self, variable: Variable, expression: str) -> None:
        """Give a variable its next value."""
        self.line(f"{variable} = {expression}")

    def add(self, variable: Variable, expression: str) -> None:
        """Increase a variable."""
        self.line(f"{variable} += {expression}")

    # -- lines ----------------------------------------------------------------------------------------------------

    def line(self, line: str) -> None:
        """Write a line in the block that is open."""
        self.lines.append("    " * self.depth + line)
        self.origins.append(_origin())

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write `head:`; lines written in the `with` statement lie in its block."""
        self.line(f"{head}:")
        self.depth += 1
        yield
        self.depth -= 1

    @contextmanager
    def loop(self, counter: Name, values: str) -> Iterator[Name]:
        """A loop over `values`, a range."""
        with self.block(f"for {counter} in {values}"):
            yield counter

    def function(self, function: Function) -> str:
        """The name of a function, which then stands before the kernel."""
        self._functions.setdefault(function.name, function)
        return function.name

    def call(self, function: Function, *arguments: str) -> str:
        """A call of such a function."""
        return f"{self.function(function)}({', '.join(arguments)})"

    def wait(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Let the next launch begin, and wait for what the launches before this one write.

        meanwhile: writes the code that need not wait
        """
        if not self.overlaps:
            return
        self.line("gdc_launch_dependents()")
        if meanwhile is not None:
            meanwhile()
        self.line("gdc_wait()")

    # -- parameters -----------------------------------------------------------------------------------------------

    def pointer(self, slot: int, dtype: DType | None = None) -> Name:
        """The address of a slot's element 0. dtype: of its elements, if they are read as another type of that size."""
        found = self.slots[slot]
        key = (slot, dtype or found.dtype)
        if key not in self._pointers:
            name = self.name(self._pointer_names[slot])
            self._pointers[key] = Pointer(name, slot, key[1], found.aligned)
        return Name(self._pointers[key].name)

    def tensor_map(
        self,
        stem: str,
        slot: int,
        shape: Sequence[Dim],
        strides: Sequence[Dim],
        box: Sequence[int],
        steps: Sequence[int] = (),
        offset: Dim = 0,
        dtype: DType | None = None,
    ) -> Name:
        """A tensor map on a slot; see `TensorMap`. dtype: as `pointer` has it."""
        name, kind = self.name(stem), dtype or self.slots[slot].dtype
        self._memory[name] = TensorMap(name, slot, kind, tuple(shape), tuple(strides), tuple(box), tuple(steps), offset)
        return name

    def workspace(self, stem: str, dtype: DType, size_bytes: Dim, zeroed: bool = False) -> Name:
        """Memory that belongs to the launch; see `Workspace`."""
        name = self.name(stem)
        self._memory[name] = Workspace(name, dtype, size_bytes, zeroed)
        return name

    def size(self, dim: Dim, dtype: DType | None = None) -> Size:
        """A number that depends on shapes."""
        dtype = dtype or (DType.I32 if is_small(dim) else DType.I64)
        found = self._sizes.get((dim, dtype))
        if found is None:
            name = self.name(f"size{len(self._sizes)}")
            found = self._sizes[dim, dtype] = Size(name, dim, dtype, math.gcd(divisor(dim), SPECIAL))
        return found

    def number(self, dim: Dim, dtype: DType | None = None) -> str:
        """A dimension as a literal, or as the name of a parameter."""
        if isinstance(dim, int):
            return f"({dim})" if dim < 0 else str(dim)
        return self.size(dim, dtype).name

    def count(self, dim: Dim) -> str:
        """A number of tiles, pixels, steps ...: always in i32."""
        is_wide = not is_small(dim) if isinstance(dim, int) else self.size(dim).dtype is not DType.I32
        return f"{self.number(dim)}.to(tl.int32)" if is_wide else self.number(dim)

    # -- the end --------------------------------------------------------------------------------------------------

    def parameters(self, order: Order | None = None) -> tuple[Parameter, ...]:
        """Addresses and maps by slot, then workspaces, or all of these in another order; then the sizes."""
        found: list[Parameter] = [*self._pointers.values(), *self._memory.values()]
        found.sort(key=order or _by_slot)
        return (*found, *self._sizes.values())

    def source(
        self,
        grid: tuple[Dim, Dim, Dim],
        *,
        warps: int,
        stages: int,
        registers: int = 0,
        signs: tuple[str, ...] = (),
        near: bool = False,
        name: str = "",
        order: Order | None = None,
    ) -> Source:
        """The finished text, as a template's answer. order: of the parameters, see `parameters`."""
        parameters = self.parameters(order)
        before = "\n".join(f"{f.text.strip()}\n\n" for f in self._functions.values())
        head = f"@triton.jit\ndef kernel({', '.join(p.name for p in parameters)}):\n"
        first = before + head
        return Source(
            text=first + "\n".join([*self.lines, ""]),
            parameters=parameters,
            grid=grid,
            warps=warps,
            stages=stages,
            overlaps=self.overlaps,
            registers=registers,
            signs=signs,
            near=near,
            name=name,
            origins=("",) * first.count("\n") + tuple(self.origins),
        )


def is_small(dim: Dim) -> bool:
    """A symbol plus or minus a number: below 2**31 as any extent of a shape is."""
    if isinstance(dim, int):
        return abs(dim) < INT32
    terms = [(m, c) for m, c in dim.terms if m]
    (monomial, coefficient), *others = terms
    return not others and coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Symbol)


def _by_slot(parameter: Parameter) -> int:
    return parameter.slot if isinstance(parameter, Pointer | TensorMap) else 1 << 16


def _origin() -> str:
    """The nearest caller that belongs to a template (the code that writes expressions serves all templates)."""
    frame = sys._getframe(2)
    nearest = found = frame
    while found is not None and not _is_template(found.f_globals.get("__name__", "")):
        found = found.f_back  # type: ignore[assignment]
    frame = found or nearest
    return f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"


def _is_template(module: str) -> bool:
    parts = module.split(".")
    return parts[:3] == ["burnish", "targets", "cuda"] and len(parts) > 4 and parts[3] != "expressions"
