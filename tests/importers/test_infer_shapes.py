"""infer_shapes.py: dtypes and shapes, whatever outputs a node leaves out."""

from __future__ import annotations

import onnx
import pytest

from burnish.importers import load_model
from tests.importers.build import assert_import_keeps_answers, parse, random

LEFT_OUT = {
    "pool": ("float[1,1,2,2] x", "float[1,1,1,1] y", "y = MaxPool <kernel_shape = [2, 2]> (x)"),
    "dropout": ("float[1,4] x", "float[1,4] y", "y = Dropout (x)"),
    "norm": ("float[2,4] x, float[4] s", "float[2,4] y, float[2,1] d", "y, , d = LayerNormalization (x, s)"),
    "norm_end": ("float[2,4] x, float[4] s", "float[2,4] y", "y = LayerNormalization (x, s)"),
    "recurrent": (
        "float[3,1,2] x, float[1,6,2] w, float[1,6,2] r",
        "float[1,1,2] h",
        ", h = GRU <hidden_size = 2> (x, w, r)",
    ),
    "cells": (
        "float[3,1,2] x, float[1,8,2] w, float[1,8,2] r",
        "float[3,1,1,2] y, float[1,1,2] c",
        "y, , c = LSTM <hidden_size = 2> (x, w, r)",
    ),
    "unique": ("float[4] x", "float[k] u, int64[m] v", "u, , v = Unique (x)"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_outputs_left_out_by_an_empty_name_in_the_middle_or_at_the_end(case: str):
    inputs, outputs, node = LEFT_OUT[case]
    proto = parse(17, f"agraph ({inputs}) => ({outputs}) {{ {node} }}")
    (written,) = proto.graph.node
    most = onnx.defs.get_schema(written.op_type, 17).max_output
    written.output.extend([""] * (most - len(written.output)))
    feeds = {v.name: random(*(d.dim_value for d in v.type.tensor_type.shape.dim)) for v in proto.graph.input}
    imported = load_model(proto)
    dtypes = [v.dtype.value for v in imported.model.graph.outputs if v.dtype]
    assert dtypes == [o.type.tensor_type.elem_type for o in proto.graph.output]
    assert_import_keeps_answers(proto, imported, feeds)
