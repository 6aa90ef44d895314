"""ONNX's own node cases, for every suite that runs them: one collection, sorted by what can be done with a case.

ONNX computes its cases when its modules are imported, which takes five seconds; they are kept in `build/`, for the
versions of onnx and numpy that made them.
"""

from __future__ import annotations

import functools
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from burnish.dtypes import DType
from burnish.verification.compare import compare
from burnish.verification.tolerance import derive_tolerance, narrowest

Array = np.ndarray[Any, Any]
KEPT = Path(__file__).parents[1] / "build" / f"node_cases_onnx_{onnx.__version__}_numpy_{np.__version__}.pickle"
# Their values depend on a generator that the operator's definition leaves open.
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
# We answer as ONNX Runtime and the exporters do, not as the case expects.
OTHERWISE = {
    "test_resize_downsample_scales_linear_align_corners": "the case takes length_resized as the unrounded 2.4",
    "test_resize_downsample_scales_cubic_align_corners": "the same",
}
# Expected outputs that were written down with few digits, or computed by fewer.
ROUNDED = {
    "test_averagepool_2d_ceil_last_window_starts_on_pad": 2e-4,
    "test_gridsample_bicubic": 2e-5,
    "test_roialign_aligned_false": 1e-4,
    "test_roialign_aligned_true": 1e-4,
}
# Inputs, by their names in ONNX's schemas, that decide the shape or the form of the work: constants in real models.
ARGUMENTS = {
    "axes", "axis", "block_shape", "constant_value", "delta", "depth", "dft_length", "ends", "frame_length",
    "frame_step", "image_shape", "iou_threshold", "k", "K", "limit", "max_output_boxes_per_class", "output_shape",
    "pads", "ratio", "repeats", "roi", "scales", "score_threshold", "shape", "size", "sizes", "split", "starts",
    "steps", "training_mode",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class NodeCase:
    """A model of one operator, or of that operator's function body, with inputs and the outputs that ONNX expects."""

    name: str
    model: onnx.ModelProto
    data_sets: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float

    @property
    def node(self) -> onnx.NodeProto:
        return self.model.graph.node[0]

    @property
    def operator(self) -> str:
        """With its domain, if that is not ONNX's own."""
        return f"{self.node.domain}.{self.node.op_type}" if self.node.domain else str(self.node.op_type)

    def inputs(self, data_set: int = 0) -> dict[str, Array]:
        return {v.name: array(x) for v, x in zip(self.model.graph.input, self.data_sets[data_set][0], strict=True)}

    def expected(self, data_set: int = 0) -> dict[str, Array]:
        return {v.name: array(x) for v, x in zip(self.model.graph.output, self.data_sets[data_set][1], strict=True)}

    def check(self, answers: Mapping[str, Any], data_set: int = 0) -> None:
        """Fails unless they are what ONNX expects, by the project's own gate (`verification/tolerance.py`)."""
        expected = self.expected(data_set)
        narrow = narrowest(DType.of(x.dtype) for x in (*self.inputs(data_set).values(), *expected.values()))
        for name, want in expected.items():
            dtype = DType.of(want.dtype)
            tolerance = derive_tolerance(self.model.graph, narrow if dtype.is_float else dtype, name)
            if self.name in ROUNDED:
                tolerance = replace(tolerance, relative=ROUNDED[self.name])
            found = compare(name, np.asarray(answers[name]), want, tolerance)
            assert found.is_accepted, f"{self.name}: {found.reason}"


def array(value: Any) -> Array:
    """A case's value as numpy, of an ml_dtypes type where numpy has none (bfloat16, float8, int4 ...)."""
    return np.asarray(numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)


@functools.cache
def all_cases() -> tuple[NodeCase, ...]:
    """Every case that has a model and data."""
    try:
        kept = pickle.loads(KEPT.read_bytes())
    except (OSError, EOFError, pickle.UnpicklingError):
        kept = _generate()
        KEPT.parent.mkdir(exist_ok=True)
        part = KEPT.with_suffix(f".{os.getpid()}")
        part.write_bytes(pickle.dumps(kept))
        part.replace(KEPT)
    return tuple(NodeCase(*fields) for fields in kept)


def _generate() -> list[tuple[Any, ...]]:
    """From ONNX, which draws them from numpy's global generator."""
    from onnx.backend.test.case.node import collect_testcases

    state = np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(0)
        cases = collect_testcases(None)
    np.random.set_state(state)
    return [(c.name, c.model, c.data_sets, c.rtol, c.atol) for c in cases if c.model is not None and c.data_sets]


@functools.cache
def cases_by_kind() -> Mapping[str, tuple[NodeCase, ...]]:
    """one node; several nodes (a function body); random: only shape and dtype are known; refused: no tensor of numbers.

    Sequences, optionals and strings have no place in a plan's memory.
    """
    kinds: dict[str, list[NodeCase]] = {"one node": [], "several nodes": [], "random": [], "refused": []}
    for case in all_cases():
        if not _holds_only_numbers(case):
            kinds["refused"].append(case)
        elif any(node.op_type in RANDOM for node in case.model.graph.node):
            kinds["random"].append(case)
        elif case.name not in OTHERWISE:
            kinds["one node" if len(case.model.graph.node) == 1 else "several nodes"].append(case)
    return {kind: tuple(cases) for kind, cases in kinds.items()}


def arguments(case: NodeCase) -> dict[str, Array]:
    """The inputs, other than the first, that a real model has as constants: axes, shapes, pads, scales ..."""
    versions = {opset.domain: opset.version for opset in case.model.opset_import}
    formal = onnx.defs.get_schema(case.node.op_type, versions[case.node.domain], case.node.domain).inputs
    inputs = case.inputs()
    names = [(name, formal[min(n, len(formal) - 1)].name) for n, name in enumerate(case.node.input)]
    return {name: inputs[name] for name, role in names[1:] if name and role in ARGUMENTS}


def with_constant_arguments(case: NodeCase) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The case as an exporter writes it: its arguments are initializers. The model, and the inputs that are left."""
    constants = arguments(case)
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    left = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(left)
    model.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in constants.items())
    return model, {name: a for name, a in case.inputs().items() if name not in constants}


def _holds_only_numbers(case: NodeCase) -> bool:
    types = [v.type for v in (*case.model.graph.input, *case.model.graph.output)]
    return all(t.HasField("tensor_type") and t.tensor_type.elem_type != onnx.TensorProto.STRING for t in types)
