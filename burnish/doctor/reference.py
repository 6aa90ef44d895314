"""The f32 model that a plan is compared with: after the same passes, every tensor of it an output.

A model that is quantised already is taken without its QuantizeLinear and DequantizeLinear, unless the model that it
came from is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.building import build
from burnish.building.analyze import prepare
from burnish.doctor.meaning import FLOATS
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.passes.rewrite.constants import constant_array
from burnish.plan.manifest import Manifest
from burnish.precision.quantise.write_codes import numbers_behind
from burnish.runtime import load

Array = np.ndarray[Any, Any]
SUMS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "BatchNormalization")


@dataclass(frozen=True, eq=False)
class Reference:
    """graph: what runs; for what nodes read and write."""

    graph: ir.Graph
    engine: Any

    def __call__(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor of numbers, by name, the inputs among them."""
        types = {t.name: t.dtype.numpy for t in self.engine.manifest.inputs}
        given = {n: a.astype(types[n]) if _is_float(a.dtype) else a for n, a in sample.items()}
        found = {**{n: a for n, a in given.items() if _is_float(a.dtype)}, **self.engine(given)}
        with np.errstate(over="ignore"):
            return {name: np.asarray(a, np.float32) for name, a in found.items() if isinstance(a, np.ndarray)}

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()


def _is_float(dtype: np.dtype[Any]) -> bool:
    return DType.of(dtype).is_float


def open_reference(model: Any, manifest: Manifest, profile: Mapping[str, Any], threads: int | None) -> Reference:
    """Build and load it. E759 if the model has other inputs than the plan."""
    found = prepare(model, profile=profile)
    graph = found.imported.model.graph
    names = {str(v.name) for v in graph.inputs if v.name not in graph.initializers}
    if missing := sorted({t.name for t in manifest.inputs} ^ names):
        raise UserError(
            "E759",
            "the reference is another model than the plan's",
            why=f"input '{missing[0]}' is one of only one of them",
            hint="--reference takes the f32 model that MODEL was quantised from, with the same inputs",
        )
    without_codes(graph)
    kept = ir.from_proto(ir.to_proto(found.imported.model)).graph  # the build goes on to change the other one
    outputs = {str(v.name) for v in graph.outputs}
    for node in graph:
        graph.outputs.extend(
            v for v in node.outputs if v.dtype in FLOATS and v.shape is not None and v.name not in outputs
        )
    plan = build(found.imported.model, profile=found.profile.ranges, target="cpu")
    return Reference(kept, load(plan, threads=threads, device="cpu"))


def without_codes(graph: ir.Graph) -> None:
    """Let everything that reads DequantizeLinear(QuantizeLinear(x)) read x, the model's outputs too.

    Some tools leave a Relu out before codes that begin at 0, which say the same: it comes back, as x.
    """
    for node in list(graph):
        if node.op_type == "QuantizeLinear" and not node.domain and _begins_at_zero(node):
            _add_relu(graph, node)
    for node in list(graph):
        for value in node.outputs:
            if (numbers := numbers_behind(value)) is not value:
                if value.is_graph_output():  # the output keeps its name
                    name, value.name = value.name, f"{value.name}/codes"
                    numbers.name = name
                value.replace_all_uses_with(numbers, replace_graph_outputs=True)


def _begins_at_zero(node: ir.Node) -> bool:
    """Do the codes end at 0, and is it they alone that read the numbers of a product or a sum?"""
    source = node.inputs[0]
    maker = None if source is None else source.producer()
    if source is None or maker is None or maker.op_type not in SUMS or len(source.uses()) != 1:
        return False
    zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1, np.uint8)
    return zero is not None and zero.dtype.kind in "iu" and bool((zero == np.iinfo(zero.dtype).min).all())


def _add_relu(graph: ir.Graph, node: ir.Node) -> None:
    source = node.inputs[0]
    assert source is not None
    relu = ir.node("Relu", [source], name=f"{source.name}/relu")
    after = relu.outputs[0]
    after.name, after.type, after.shape = source.name, source.type, source.shape
    source.name = f"{source.name}/sum"
    node.replace_input_with(0, after)
    graph.insert_before(node, relu)
