"""The content of small tensors, from their definitions: integers exactly, dimensions symbolically.

    Shape(x) -> (n, 3, h, w) as dims;  Gather, Mul, Concat, Where ... of these give dims again.

An element is None if it depends on an unknown value, or on a comparison that the symbols leave open.
"""

from __future__ import annotations

import itertools
from typing import Any

from burnish.dims import known, product
from burnish.dtypes import DType
from burnish.ops.language.definition import Compute, Concat, Definition, Reshape, View
from burnish.ops.language.evaluate_scalar import evaluate, flat_position
from burnish.ops.language.expr import Axis, Expr, axis
from burnish.ops.language.node_view import KNOWN_ELEMENTS

KNOWN_FLOATS = 64  # shape arithmetic passes through floats (scales of Resize); anything longer is data
Elements = tuple[Any, ...]


def known_elements(definition: Definition) -> Elements | None:
    """The content of an output, flat in row-major order, or None."""
    count = product(definition.shape)
    limit = KNOWN_FLOATS if definition.dtype.is_float else KNOWN_ELEMENTS
    if not isinstance(count, int) or count > limit or definition.dtype is DType.STRING:
        return None
    if count == 0:
        return ()
    if isinstance(definition, Reshape):
        return definition.source.elements
    if isinstance(definition, Concat):
        return _concat(definition)
    if not isinstance(definition, Compute | View):
        return None
    axes = tuple(Axis(f"i{n}", extent) for n, extent in enumerate(definition.shape))
    index = [axis(a) for a in axes]
    if isinstance(definition, Compute):
        return _each(axes, definition.body(index))
    if definition.source.elements is None:
        return None
    return _each(axes, definition.source[tuple(definition.where(index))])


def _each(axes: tuple[Axis, ...], body: Expr) -> Elements | None:
    """The body at every index. None as soon as one element is unknown."""
    found = []
    for position in itertools.product(*(range(known(a.extent)) for a in axes)):
        value = evaluate(body, dict(zip(axes, position)))
        if value is None:
            return None
        found.append(value)
    return tuple(found)


def _concat(definition: Concat) -> Elements | None:
    parts = [p for p in definition.parts if product(p.shape) != 0]
    if any(p.elements is None for p in parts):
        return None
    positions = itertools.product(*(range(known(d)) for d in definition.shape))
    return tuple(_part_element(parts, definition.axis, list(p)) for p in positions)


def _part_element(parts: list[Any], on: int, position: list[int]) -> Any:
    for part in parts:
        extent = int(part.shape[on])
        if position[on] < extent:
            return part.elements[flat_position(part.shape, position)]
        position[on] -= extent
    raise IndexError(position)
