"""How a recurrent layer's weights and states lie in memory, and which slot is which.

hidden units are cut into blocks of `width` lanes, the last one filled up with zeros
W, R packed    [direction][block][input or hidden unit][gate][lane]
scratch        projections [step][row][block][gate][lane], then the states [row][hidden, padded]
rows           sequences of the batch that are computed together;  steps: time steps projected ahead
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.kernels.task import RecurrentTask
from burnish.targets.cpu.recurrent.options import RecurrentOptions

Array = np.ndarray[Any, Any]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS = {"LSTM": 8, "GRU": 6, "RNN": 6}
_NAMES = ("x", "w", "r", "b", "lengths", "initial_h", "initial_c", "peepholes")
STATES = 5  # h before and after, c, and what a step keeps (a GRU's gates, an LSTM's rounded h); a row per sequence


@dataclass(frozen=True)
class Layout:
    """The sizes of one kernel under one schedule."""

    gates: int
    hidden: int
    inputs: int
    directions: int
    width: int
    rows: int
    steps: int
    accumulator: DType

    @property
    def blocks(self) -> int:
        return -(-self.hidden // self.width)

    @property
    def padded(self) -> int:
        return self.blocks * self.width

    @property
    def row_elements(self) -> int:
        """Elements of one projected row."""
        return self.gates * self.padded

    def packed_elements(self, depth: int) -> int:
        """Elements of a packed weight whose rows are `depth` deep, one direction."""
        return self.blocks * depth * self.gates * self.width

    @property
    def scratch_elements(self) -> int:
        return self.steps * self.rows * self.row_elements + STATES * self.rows * self.padded


def layout(kernel: RecurrentTask, options: RecurrentOptions) -> Layout:
    """From a kernel and its schedule's options."""
    inputs, directions = kernel.slots[0].shape[2], kernel.slots[1].shape[0]
    assert isinstance(inputs, int) and isinstance(directions, int), "recurrent weights have static shapes"
    accumulator = DType.F64 if kernel.slots[0].dtype is DType.F64 else DType.F32
    return Layout(
        GATES[kernel.kind],
        kernel.hidden_size,
        inputs,
        directions,
        options.width,
        options.rows,
        options.steps,
        accumulator,
    )


def rounds_states(kernel: RecurrentTask) -> bool:
    """Is h rounded to 8 bits in each step, before it is multiplied?"""
    return bool(dict(kernel.attributes).get("rounds_states"))


def slot_numbers(kernel: RecurrentTask) -> dict[str, int]:
    """The slots of x, w, r ..., by name; an absent operand has no entry."""
    names = [*_NAMES[: INPUTS[kernel.kind]], "y", "y_h", "y_c"]
    present = [n for n, there in zip(names, kernel.present) if there]
    return {name: number for number, name in enumerate(present)}


def pack_weight(array: Array, shape: Layout) -> Array:
    """[directions, gates * hidden, depth], in the order in which the kernel reads it."""
    directions, _, depth = array.shape
    gates = array.reshape(directions, shape.gates, shape.hidden, depth).astype(shape.accumulator.numpy)
    full = np.zeros((directions, shape.gates, shape.padded, depth), gates.dtype)
    full[:, :, : shape.hidden] = gates
    blocks = full.reshape(directions, shape.gates, shape.blocks, shape.width, depth)
    return np.ascontiguousarray(blocks.transpose(0, 2, 4, 1, 3))
