"""A transpose that only moves axes of size 1 moves no element: it becomes a reshape.

    Transpose(x[1, 64, 1, 33], perm = 0 2 3 1)  no: 64 and 33 change places
    Transpose(x[1, 1, 257], perm = 0 2 1)       ->  Reshape(x, [1, 257, 1])

Exact. Runs after the patterns, which recognise heads and sequences by their transposes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.cancel_transposes import order_of
from burnish.passes.rewrite.constants import integer_shape
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class TransposeToReshape(Rule):
    op_types = ("Transpose",)

    def check(self, match: Match) -> list[int] | Skip:
        shape, order = integer_shape(match.root.inputs[0]), order_of(match.root)
        if shape is None or order is None or 0 in shape:
            return Skip("the shape of its input is not known")
        long = [a for a in order if shape[a] > 1]
        if long != sorted(long):
            return Skip("it changes the order of elements")
        return [shape[a] for a in order]

    def rewrite(self, op: Builder, match: Match, found: list[int]) -> ir.Value:
        target = op.constant(found, f"{match.root.name}/shape", dtype=np.int64)
        result: ir.Value = op.Reshape(match.root.inputs[0], target)
        return result


RULES = (TransposeToReshape(),)
