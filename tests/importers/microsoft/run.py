"""One call of an operator of ONNX Runtime: what ONNX Runtime says of it, and of what it is expanded to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from burnish.importers import load_model
from burnish.importers.export import export_model
from burnish.importers.microsoft.call import DOMAIN
from tests.importers.build import answers

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)


def call(
    op_type: str,
    inputs: Sequence[Array | None],
    constants: Sequence[int] = (),
    outputs: Sequence[type | None] = (np.float32,),
    opset: int = 17,
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A model of one node, and its inputs. constants: which of them are constant; outputs: dtypes, None if unnamed."""
    names = ["" if a is None else f"i{n}" for n, a in enumerate(inputs)]
    given = {name: np.asarray(a) for name, a in zip(names, inputs) if a is not None}
    fixed = {f"i{n}" for n in constants}
    results = ["" if dtype is None else f"o{n}" for n, dtype in enumerate(outputs)]
    node = helper.make_node(op_type, names, results, "call", domain=DOMAIN, **attributes)
    graph = helper.make_graph(
        [node],
        "call",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in given.items()
            if n not in fixed
        ],
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)
            for n, dtype in zip(results, outputs)
            if dtype is not None
        ],
        [numpy_helper.from_array(a, n) for n, a in given.items() if n in fixed],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return model, {n: a for n, a in given.items() if n not in fixed}


def check(
    model: onnx.ModelProto,
    feeds: Mapping[str, Array],
    steps: int = 0,
    relative: float = 1e-5,
    by_reference: bool = False,
    kept: Sequence[str] = (),
) -> onnx.ModelProto:
    """The expansion has ONNX's operators and those kept, and equal answers; integers to `steps`, one in a hundred."""
    # ONNX Runtime's own Attention takes no mask that is one row for all queries
    expanded = export_model(load_model(model, keep=lambda domain, op_type: domain == "").model)
    assert {node.op_type for node in expanded.graph.node if node.domain} == set(kept)
    found = ReferenceEvaluator(expanded).run(None, dict(feeds)) if by_reference else answers(expanded, feeds)
    for want, got in zip(answers(model, feeds), found, strict=True):
        assert (want.shape, want.dtype) == (got.shape, got.dtype)
        if want.dtype.kind == "f":
            scale = max(float(np.abs(want).max(initial=0)), 1e-30)
            np.testing.assert_allclose(got / scale, want / scale, rtol=0, atol=relative)
        else:
            off = np.abs(want.astype(np.int64) - got.astype(np.int64))
            assert off.max(initial=0) <= steps and (off > 0).mean() <= 0.01, f"{(off > 0).mean():.2%}, {off.max()}"
    return expanded


def quantised(*shape: int, dtype: type = np.uint8) -> Array:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return RNG.integers(low, high + 1, shape).astype(dtype)


def real(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def parameters(scale: float, zero: int, dtype: type = np.uint8) -> tuple[Array, Array]:
    return np.float32(scale), dtype(zero)
