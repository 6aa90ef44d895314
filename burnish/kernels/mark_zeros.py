"""Products of few rows learn how many of their weights are 0 (`Slot.zeros`), so that a template may leave those out.

Reading weights without their zeros pays where memory gives them: in products of few rows, in a program whose constants
no cache holds. There it is measured faster; from a cache, dense weights are, and so are those in f16, which are widened
in more steps (benchmarks/README.md). So kernels of other programs stay as they are, and so do those with few zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.task import Binding, Branch, Contraction, Launch, Program, Step
from burnish.kernels.usual_size import usual_count

SHARES = 16  # a share of zeros is a number of sixteenths
LEAST_BYTES = 64 << 20  # of a program's constants: twice a large cache, which other programs use as well
_FEWEST, _MOST_ROWS, _LEAST_WEIGHTS = 4, 16, 1 << 16


def mark_zeros(program: Program, least_bytes: int | None = None) -> Program:
    """The program, with the share of zeros in the kernels that may leave them out.

    least_bytes: of constants, if not LEAST_BYTES
    cost: one look at each weight of such kernels
    """
    if constant_bytes(program) < (LEAST_BYTES if least_bytes is None else least_bytes):
        return program
    return replace(program, steps=tuple(_Marking(program).steps(program.steps)))


def constant_bytes(program: Program) -> int:
    """Of all constants."""
    return sum(array.nbytes for array in program.constants.values())


@dataclass(frozen=True)
class _Marking:
    program: Program

    def steps(self, steps: Sequence[Step]) -> Iterator[Step]:
        for step in steps:
            if isinstance(step, Branch):
                then, otherwise = (tuple(self.steps(side)) for side in (step.then, step.otherwise))
                yield replace(step, then=then, otherwise=otherwise)
            else:
                yield self._marked(step) if isinstance(step, Launch) else step

    def _marked(self, launch: Launch) -> Launch:
        kernel = launch.kernel
        if not isinstance(kernel, Contraction) or not self._may_pay(kernel, launch.bindings[1]):
            return launch
        zeros = self._sixteenths(kernel, launch.bindings[1])
        if zeros < _FEWEST:
            return launch
        a, b, *others = kernel.slots
        return replace(launch, kernel=replace(kernel, slots=(a, replace(b, zeros=zeros), *others)))

    def _may_pay(self, kernel: Contraction, b: Binding) -> bool:
        if not kernel.packed or kernel.blocks is not None or kernel.more or kernel.windows:
            return False
        return (
            kernel.slots[1].dtype in (DType.F32, DType.BF16)
            and b.storage in self.program.constants
            and isinstance(b.offset, int)
            and isinstance(kernel.slots[1].span, int)
            and usual_count((p.extent for p in kernel.pixels), self.program.sizes) <= _MOST_ROWS
        )

    def _sixteenths(self, kernel: Contraction, b: Binding) -> int:
        """How many of the weights are +0. A -0 has a sign, which a product keeps."""
        span, array = kernel.slots[1].span, self.program.constants[b.storage]
        assert isinstance(b.offset, int) and isinstance(span, int)
        unsigned = np.dtype(f"u{kernel.slots[1].dtype.size_bytes}")
        bits: np.ndarray[Any, Any] = np.ascontiguousarray(array).reshape(-1).view(unsigned)[b.offset : b.offset + span]
        return 0 if bits.size < _LEAST_WEIGHTS else SHARES - -(-SHARES * int(np.count_nonzero(bits)) // bits.size)
