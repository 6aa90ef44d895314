"""The independent answer: ONNX Runtime where it is installed, else ONNX's reference evaluator.

ONNX Runtime runs on the CPU without optimisations, each operator as written in the file. Its optimised answers are not
always right (a third of the answers of a model quantised to 4 bits changed). Neither oracle shares code with our
kernels.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.errors import EnvironmentProblem, UserError
from burnish.runtime.present import as_array

Array = np.ndarray[Any, Any]
ORACLES = ("onnxruntime", "reference")


def default_oracle() -> str:
    """onnxruntime if it is installed."""
    return "onnxruntime" if importlib.util.find_spec("onnxruntime") else "reference"


class Oracle:
    """A model, ready to answer. `model`: a path, or a serialised ModelProto."""

    def __init__(self, model: str | Path | bytes, kind: str = "", threads: int = 0) -> None:
        is_name = kind is None or isinstance(kind, str)
        self.kind = (kind or default_oracle()) if is_name else ""
        if self.kind not in ORACLES:
            raise UserError("E711", f"'{kind}' is not an oracle", hint=f"oracles are {', '.join(ORACLES)}")
        try:
            self._session = _onnxruntime(model, threads) if self.kind == "onnxruntime" else _reference(model)
        except Exception as error:
            raise self._refused("load the model", error) from error

    @property
    def outputs(self) -> list[str]:
        """Names, in the model's order."""
        if self.kind == "onnxruntime":
            return [value.name for value in self._session.get_outputs()]
        return list(self._session.output_names)

    def __call__(self, inputs: Mapping[str, Array], names: Sequence[str] | None = None) -> dict[str, Array]:
        """The outputs by name. E712 if the oracle cannot run the model on these inputs."""
        wanted = list(names or self.outputs)
        try:
            if self.kind == "onnxruntime":
                return dict(zip(wanted, _run_onnxruntime(self._session, wanted, inputs)))
            return dict(zip(wanted, map(as_array, self._session.run(wanted, dict(inputs)))))
        except Exception as error:
            raise self._refused("run the model", error) from error

    def _refused(self, what: str, error: Exception) -> EnvironmentProblem:
        other = next(kind for kind in ORACLES if kind != self.kind)
        return EnvironmentProblem(
            "E712",
            f"the oracle, {self.kind}, cannot {what}",
            why=f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}"[:500],
            hint=f"try --oracle {other}, or other inputs with --data",
        )


def _onnxruntime(model: str | Path | bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _run_onnxruntime(session: Any, wanted: list[str], inputs: Mapping[str, Array]) -> list[Array]:
    """bf16 and f8 travel as OrtValues: `run` knows numpy's own types only."""
    types = [a.dtype for a in inputs.values()]
    if all(t.kind != "V" for t in types) and not any(
        "float8" in o.type or "bfloat16" in o.type for o in session.get_outputs()
    ):
        return [as_array(value) for value in session.run(wanted, dict(inputs))]
    from onnxruntime import OrtValue

    feeds = {name: OrtValue.ortvalue_from_numpy_with_onnx_type(a, DType.of(a.dtype).onnx) for name, a in inputs.items()}
    return [_array(value) for value in session.run_with_ort_values(wanted, feeds)]


def _array(value: Any) -> Array:
    dtype = DType.from_onnx(value.element_type())
    if dtype.numpy.kind != "V":
        return np.asarray(value.numpy())
    content = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(content, dtype.numpy).reshape(value.shape())


def _reference(model: str | Path | bytes) -> Any:
    import onnx
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(onnx.ModelProto.FromString(model) if isinstance(model, bytes) else str(model))
