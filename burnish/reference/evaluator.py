"""onnx's reference evaluator, with our definitions for operators that it gets wrong or does not have.

onnx is imported only here, when the first evaluator is made. Evaluators that onnx makes itself, for the graphs inside a
node and for function bodies, use our definitions too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.errors import EnvironmentProblem
from burnish.reference.attention import attention
from burnish.reference.classical import normalizer, svm_probabilities
from burnish.reference.control import run_loop, run_scan
from burnish.reference.normalization import lp_normalization, lrn
from burnish.reference.padding import pad
from burnish.reference.quantize import dynamic_quantize_linear, quantize_linear
from burnish.reference.recurrent import gru, lstm, rnn
from burnish.reference.reduction import log_sum, log_sum_exp, reduction, sum_square
from burnish.reference.sampling import grid_sample, resize
from burnish.reference.selection import gather_elements, max_roi_pool, non_max_suppression, one_hot, unique
from burnish.reference.shape import shape
from burnish.reference.windows import average_pool, conv_transpose, global_lp_pool, lp_pool, max_pool

Array = np.ndarray[Any, Any]
OPERATORS: dict[str, Callable[..., Any]] = {
    "Attention": attention, "AveragePool": average_pool, "ConvTranspose": conv_transpose,
    "DynamicQuantizeLinear": dynamic_quantize_linear, "GRU": gru, "GatherElements": gather_elements,
    "GlobalLpPool": global_lp_pool,
    "GridSample": grid_sample, "LRN": lrn, "LSTM": lstm, "LpNormalization": lp_normalization, "LpPool": lp_pool,
    "MaxPool": max_pool, "MaxRoiPool": max_roi_pool,
    "NonMaxSuppression": non_max_suppression, "OneHot": one_hot, "Pad": pad, "QuantizeLinear": quantize_linear,
    "RNN": rnn, "ReduceLogSum": reduction(log_sum), "ReduceLogSumExp": reduction(log_sum_exp),
    "ReduceSumSquare": reduction(sum_square), "Resize": resize, "Shape": shape, "Unique": unique,
}  # fmt: skip

CLASSICAL: dict[str, Callable[..., Any]] = {"Normalizer": normalizer}  # of ai.onnx.ml


def evaluator(model: Any) -> Any:
    """An evaluator of a ModelProto (or its bytes): `run(names, feeds)` gives the arrays.

    raises: E832 if onnx is not installed; onnx's own error for an operator that it does not have
    """
    return _evaluator_class()(model)


@functools.cache
def _evaluator_class() -> Any:
    try:
        import onnx.reference
        from onnx.reference.op_run import OpRun
        from onnx.reference.ops.aionnxml.op_svm_classifier import SVMClassifier
        from onnx.reference.ops.op_loop import Loop
    except ImportError as error:
        raise EnvironmentProblem(
            "E832",
            "this plan has a step on the reference kernel, which needs the package onnx",
            why=str(error),
            hint="pip install onnx; burnish inspect plan PLAN lists the nodes that need it",
        ) from error
    own = [_operator(OpRun, name, function) for name, function in OPERATORS.items()]
    own += [_operator(OpRun, name, function, "ai.onnx.ml") for name, function in CLASSICAL.items()]
    own.append(type("SVMClassifier", (SVMClassifier,), {"_probabilities": svm_probabilities}))
    own.append(type("Loop", (Loop,), {"_run": run_loop}))
    own.append(type("Scan", (OpRun,), {"_run": run_scan, "need_context": lambda self: True}))

    class Evaluator(onnx.reference.ReferenceEvaluator):  # type: ignore[misc]
        def __init__(self, proto: Any, *args: Any, new_ops: Sequence[type] | None = None, **options: Any) -> None:
            del new_ops  # of the evaluator around it: the same
            super().__init__(proto, *args, new_ops=own, **options)

        def run(self, names: Any, feeds: Mapping[str, Any], *args: Any, **options: Any) -> Any:
            with np.errstate(all="ignore"):
                return super().run(names, feeds, *args, **options)

    return Evaluator


def _operator(base: type, name: str, function: Callable[..., Any], domain: str = "") -> type:
    """An operator class for onnx that calls the function. Missing attributes have their default, or are None."""

    def run(self: Any, *inputs: Any, **attributes: Any) -> tuple[Any, ...]:
        results = function(*inputs, **{k: v for k, v in attributes.items() if v is not None})
        return results if isinstance(results, tuple) else (results,)

    return type(name, (base,), {"_run": run, "op_domain": domain})
