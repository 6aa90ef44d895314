"""Bind input dimensions to numbers. A bound symbol gets its number everywhere.

    x[batch, seq], mask[batch, seq] with x: (1, 128)    ->    x[1, 128], mask[1, 128]

Shapes inferred earlier are forgotten; `fold_shapes` infers them again.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from burnish.errors import UserError
from burnish.passes.rewrite.context import PassContext


def specialize(model: ir.Model, context: PassContext) -> int:
    """Bind the dimensions that `context.input_shapes` fixes. Returns how many dimensions became ints.

    raises:  E240 no such input, E241 another rank, E242 a dimension that contradicts the model or another input
    """
    inputs = {str(v.name): v for v in model.graph.inputs}
    bound: dict[str, tuple[int, str]] = {}
    for name, shape in context.input_shapes.items():
        if name not in inputs:
            raise UserError(
                "E240",
                f"the model has no input {name!r}",
                where=f"shapes given for {name!r}",
                why=f"its inputs are {', '.join(inputs)}",
                hint="use one of these names",
            )
        _bind(inputs[name], shape, bound)
    changes = sum(_substitute(value, bound) for value in inputs.values())
    if changes:
        _forget(model.graph)
    return changes


def _bind(value: ir.Value, shape: Sequence[int | None], bound: dict[str, tuple[int, str]]) -> None:
    if value.shape is None:
        value.shape = ir.Shape([None] * len(shape))
    if len(shape) != len(value.shape):
        raise UserError(
            "E241",
            f"input {value.name!r} has rank {len(value.shape)}, the shape given has {len(shape)} dimensions",
            where=f"input {value.name!r}: {value.shape}",
            hint=f"give {len(value.shape)} numbers",
        )
    for axis, size in enumerate(shape):
        if size is None:
            continue
        known = value.shape[axis]
        if isinstance(known, int):
            if known != size:
                raise _contradiction(value, axis, size, f"the model fixes it at {known}")
        elif known.value is None:
            value.shape = ir.Shape([size if i == axis else d for i, d in enumerate(value.shape)])
        else:
            other, where = bound.setdefault(known.value, (size, str(value.name)))
            if other != size:
                raise _contradiction(value, axis, size, f"{known.value!r} is {other} in input {where!r}")


def _substitute(value: ir.Value, bound: dict[str, tuple[int, str]]) -> int:
    before = list(value.shape or ())
    after = [bound[d.value][0] if not isinstance(d, int) and d.value in bound else d for d in before]
    if value.shape is not None:
        value.shape = ir.Shape(after)
    return sum(isinstance(a, int) and not isinstance(b, int) for a, b in zip(after, before, strict=True))


def _forget(graph: ir.Graph) -> None:
    """Forget dimensions that were inferred from open ones.

    Ranks stay: for some operators only the file tells the rank.
    """
    for node in graph.all_nodes():
        for value in node.outputs:
            if value.shape is not None and isinstance(value.type, ir.TensorType):
                value.shape = ir.Shape([d if isinstance(d, int) else None for d in value.shape])


def _contradiction(value: ir.Value, axis: int, size: int, why: str) -> UserError:
    return UserError(
        "E242",
        f"input {value.name!r} cannot have {size} on axis {axis}",
        where=f"input {value.name!r}: {value.shape}",
        why=why,
        hint="give shapes that agree with the model and with each other",
    )
