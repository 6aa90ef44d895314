"""An initializer that is also an input is a default that the caller may override. Here it becomes one of these:

constant           this is what most models mean; the notes say so
input + default    if the caller of the import asks for it: nothing can be computed from it at build time
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import Array

MOST_NAMED = 4


def split_defaults(model: ir.Model, is_meant: bool, overridable: bool) -> tuple[dict[str, Array], list[str]]:
    """The defaults of inputs, and notes on those that became constants. Afterwards no initializer is an input.

    is_meant: the file's IR version allows initializers that are not inputs; if one is an input, that is intended
    """
    main = model.graph
    both = [v for v in main.inputs if v.name in main.initializers]
    defaults: dict[str, Array] = {}
    if overridable and is_meant:
        for value in both:
            defaults[str(value.name)] = _become_input(main, value)
    for graph in model.graphs():
        kept = [v for v in graph.inputs if v.name not in graph.initializers]
        if len(kept) != len(graph.inputs):
            graph.inputs.clear()
            graph.inputs.extend(kept)
    fixed = [str(v.name) for v in both if v.name not in defaults]
    return defaults, [_note(fixed)] if fixed and is_meant else []


def _become_input(graph: ir.Graph, value: ir.Value) -> Array:
    tensor = value.const_value
    assert tensor is not None and value.name is not None
    del graph.initializers[value.name]
    value.const_value = None
    value.type = value.type or ir.TensorType(tensor.dtype)
    if value.shape is None:
        value.shape = ir.Shape(tensor.shape.numpy())
    return np.asarray(tensor.numpy())


def _note(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return f"the model lets callers override {shown}; the plan holds constants (build with overridable to keep inputs)"
