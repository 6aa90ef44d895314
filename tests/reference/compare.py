"""A drawn case as a model of one node, and whether an answer is ONNX Runtime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

import burnish
from burnish.reference.evaluator import evaluator
from tests.end_to_end.oracle import session

from . import draw_classical, draw_elements, draw_places, draw_sequences, draw_windows
from .draw import DRAWS, Array, Case

assert draw_classical and draw_elements and draw_places and draw_sequences and draw_windows  # they fill DRAWS

RELATIVE = 2e-5  # of the largest magnitude: sums of a few dozen products, f32, in another order


def drawn(name: str, seed: int) -> Case:
    return DRAWS[name](np.random.default_rng([seed, len(name)]))


def model_of(case: Case, mode: str = "fixed") -> onnx.ModelProto:
    """mode: fixed shapes, every dimension open, or folded (all inputs are initializers)."""
    names = [f"x{n}" if a is not None else "" for n, a in enumerate(case.inputs)]
    while not names[-1]:
        names.pop()
    node = helper.make_node(case.op_type, names, list(case.outputs), name="node", domain=case.domain, **case.attributes)
    infos, constants = [], []
    for n, a in enumerate(case.inputs):
        if a is not None and (mode == "folded" or n in case.constants):
            constants.append(numpy_helper.from_array(a, f"x{n}"))
        elif a is not None:
            shape = [f"d{n}_{axis}" for axis in range(a.ndim)] if mode == "open" else a.shape
            infos.append(helper.make_tensor_value_info(f"x{n}", helper.np_dtype_to_tensor_dtype(a.dtype), shape))
    results = [onnx.ValueInfoProto(name=o) for o in case.outputs if o]
    graph = helper.make_graph([node], "g", infos, results, constants)
    opsets = [helper.make_opsetid("", case.opset), *([helper.make_opsetid(case.domain, 3)] if case.domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.output}
    for value in model.graph.output:
        value.type.tensor_type.elem_type = types[value.name] or onnx.TensorProto.FLOAT
    return model


def feeds_of(model: onnx.ModelProto, case: Case) -> dict[str, Array]:
    found = {v.name: case.inputs[int(v.name[1:])] for v in model.graph.input}
    return {name: array for name, array in found.items() if array is not None}


def wanted(case: Case) -> list[Array]:
    model = model_of(case)
    return list(session(model.SerializeToString()).run(None, feeds_of(model, case)))


def evaluated(case: Case) -> list[Array]:
    """By the reference evaluator alone."""
    model = model_of(case)
    return list(evaluator(model).run(None, feeds_of(model, case)))


def planned(case: Case, mode: str) -> list[Array]:
    """By a plan of the node."""
    model = model_of(case, mode)
    feeds = feeds_of(model, case)
    profile = {name: (a.shape, a.shape, tuple(d + 1 for d in a.shape)) for name, a in feeds.items()}
    with burnish.load(burnish.build(model, profile=profile if mode == "open" else None), threads=1) as engine:
        return list(engine(feeds).values())


def assert_same(got: list[Any], want: list[Array], place: str) -> None:
    assert len(got) == len(want), place
    for n, (answer, reference) in enumerate(zip(got, want)):
        answer = np.asarray(answer)
        assert (answer.shape, answer.dtype) == (reference.shape, reference.dtype), f"{place}: output {n}"
        if reference.dtype.kind != "f":
            np.testing.assert_array_equal(answer, reference, err_msg=f"{place}: output {n}")
            continue
        scale = float(np.abs(reference[np.isfinite(reference)]).max(initial=1))
        np.testing.assert_allclose(answer, reference, rtol=RELATIVE, atol=RELATIVE * scale, err_msg=f"{place}: {n}")


def assert_evaluator(name: str, seed: int) -> None:
    """The reference evaluator says of a drawn case what ONNX Runtime says."""
    case = drawn(name, seed)
    assert_same(evaluated(case), wanted(case), f"{name} {seed}: {case.attributes}")
