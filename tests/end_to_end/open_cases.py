"""ONNX's node cases with every dimension open: each axis of each input is a symbol of its own.

The answers are ONNX's at a case's own shapes; where an axis is cut to 1 (or to nothing) they are ONNX Runtime's, or
onnx.reference's where ONNX Runtime has no kernel. Plans run as checked code, so that no access may leave its slot.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

import burnish
from burnish.devices.cpu.processor import best_target
from tests.node_cases import NodeCase, with_constant_arguments

Array = np.ndarray[Any, Any]
TARGET = f"cpu:{best_target().level}+checked"
LARGER = 2  # how far the profile goes beyond a case's own sizes


@dataclass(frozen=True, eq=False)
class OpenCase:
    """A case's model with open inputs; `inputs` are those that are left where arguments are constants."""

    name: str
    model: onnx.ModelProto
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    tolerance: tuple[float, float]

    def build(self, least: int, target: str = TARGET) -> burnish.Engine:
        """Every axis from `least` to a little more than the case's own size. On a GPU some nodes run on the host."""
        profile = {
            name: (tuple(min(least, n) for n in x.shape), x.shape, tuple(n + LARGER for n in x.shape))
            for name, x in self.inputs.items()
        }
        is_gpu = target.startswith("cuda")
        plan = burnish.build(self.model, profile=profile, target=target, allow_fallback=is_gpu)
        return burnish.load(plan, threads=2)


def open_case(case: NodeCase, constant_arguments: bool) -> OpenCase:
    """The case with a symbol for each axis of each input and output."""
    model, inputs = with_constant_arguments(case) if constant_arguments else (case.model, case.inputs())
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    del opened.graph.value_info[:]
    for value in (*opened.graph.input, *opened.graph.output):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}_{axis}"
    return OpenCase(case.name, opened, inputs, case.expected(), (case.rtol, case.atol))


def cuts(inputs: Mapping[str, Array], sizes: tuple[int, ...]) -> Iterator[tuple[str, dict[str, Array]]]:
    """The inputs with one axis of one of them cut to one of the sizes."""
    for name, x in inputs.items():
        for axis, extent in enumerate(x.shape):
            for size in sizes:
                if size < extent:
                    cut = np.ascontiguousarray(np.moveaxis(np.moveaxis(x, axis, 0)[:size], 0, axis))
                    yield f"{name}[{axis}]={size}", {**inputs, name: cut}


class Oracle:
    """What other implementations answer; None where none of them takes the inputs.

    Inputs that hold nothing are for onnx.reference alone: it is numpy, and refuses by an exception.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # no kernel, or an opset that is newer
            self._session = None

    def answers(self, feeds: Mapping[str, Array]) -> dict[str, Array] | None:
        names = [o.name for o in self._model.graph.output]
        try:
            if self._session is not None and all(x.size for x in feeds.values()):
                return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return dict(zip(names, ReferenceEvaluator(self._model).run(names, dict(feeds)), strict=True))
        except Exception:  # whatever they raise, they refuse the inputs
            return None


def assert_same(
    got: Mapping[str, Array], want: Mapping[str, Array], tolerance: tuple[float, float], place: str
) -> None:
    """Shapes, dtypes, integers exactly, floats to the case's tolerance."""
    rtol, atol = tolerance
    for name, reference in want.items():
        answer, reference = np.asarray(got[name]), np.asarray(reference)
        if answer.dtype.kind == "V" and reference.dtype == np.uint8:
            answer = answer.view(np.uint8)  # ONNX Runtime gives the bits of floats of 8 bits
        assert answer.shape == reference.shape, f"{place}: {name} is {answer.shape}, not {reference.shape}"
        assert answer.dtype == reference.dtype, f"{place}: {name} is {answer.dtype}, not {reference.dtype}"
        if reference.dtype.kind in "fVc":
            narrow = reference.dtype.itemsize < 4
            largest = float(np.nanmax(np.abs(reference.astype(np.complex128)), initial=0, where=np.isfinite(reference)))
            wide = np.complex128 if reference.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(
                answer.astype(wide), reference.astype(wide), rtol=max(rtol, 1e-2 if narrow else 1e-5),
                atol=max(atol, 1e-2 if narrow else 1e-5, 1e-6 * largest), err_msg=f"{place}: {name}",
            )  # fmt: skip
        else:
            np.testing.assert_array_equal(answer, reference, err_msg=f"{place}: {name}")
