"""Run every reference kernel once on made-up inputs, so no plan is built that cannot run.

A step is refused if it has no implementation, if it fails and its inputs' content cannot be the cause, or if its
results do not have the shapes that the plan assumes. Some inputs may be wrong only because they are made up (a shape,
an index, a scale, an encoded image): these are left to the run. Loops run one iteration.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.dims import evaluate, format_shape, symbols
from burnish.errors import UserError
from burnish.kernels.task import Program, ReferenceStep, each_step
from burnish.kernels.work import reference_flops, tensor_bytes
from burnish.plan.manifest import TensorSpec
from burnish.reference.control import at_most
from burnish.reference.evaluator import evaluator

Array = np.ndarray[Any, Any]
MOST_BYTES, MOST_FLOP = 1 << 26, 1 << 28  # larger steps are made, but not run
OUR_OWN = (NotImplementedError, TypeError, AttributeError, NameError, ImportError)  # whatever the content
FILLS = (0, 1, 2)  # of integers


def try_fallbacks(program: Program) -> None:
    """Raise E216 for the first step that can never run."""
    opt = {name: value[1] for name, value in program.symbols.items()}
    from_data = {name for name, (_, _, high) in program.symbols.items() if not high}
    for step in (s for s in each_step(program.steps) if isinstance(s, ReferenceStep)):
        reason = _failure(step, program, opt, from_data)
        if reason:
            raise UserError(
                "E216",
                f"{step.op_type} cannot run",
                where=f"node '{step.name}', on the reference kernel",
                why=reason,
                hint="express the node by operators that have a kernel; if it is valid ONNX, please report it",
            )


def _failure(step: ReferenceStep, program: Program, opt: Mapping[str, int], from_data: set[str]) -> str:
    """The reason why the step can never run. Empty if it can, or if that depends on its data."""
    with warnings.catch_warnings(), at_most(1):
        warnings.simplefilter("ignore")
        try:
            kernel = evaluator(step.model)
        except Exception as error:  # onnx raises whatever it likes
            return _said(error)
        bytes_, flop = tensor_bytes((*step.inputs, *step.outputs)), reference_flops(step)
        if evaluate(bytes_, opt) > MOST_BYTES or evaluate(flop, opt) > MOST_FLOP:
            return ""
        content_decides, reason = any(_decides(t, program) for t in step.inputs), ""
        for fill in FILLS:
            feeds = {t.name: _content(t, program, opt, fill) for t in step.inputs}
            try:
                results = kernel.run([t.name for t in step.outputs], feeds)
            except Exception as error:
                reason = "" if content_decides and not isinstance(error, OUR_OWN) else _said(error)
            else:
                return "" if content_decides else _misshapen(step, results, opt, from_data)
        return reason


def _content(tensor: TensorSpec, program: Program, opt: Mapping[str, int], fill: int) -> Array:
    """A constant's own content; otherwise numbers between -1 and 1, or equal integers."""
    if tensor.storage in program.constants:
        return program.constants[tensor.storage]
    shape = tuple(evaluate(d, opt) for d in tensor.shape)
    if not tensor.dtype.is_float:
        return np.full(shape, fill).astype(tensor.dtype.numpy)
    return np.random.default_rng(fill).uniform(-1, 1, shape).astype(tensor.dtype.numpy)


def _decides(tensor: TensorSpec, program: Program) -> bool:
    """May the tensor hold a shape, an index, a scale or bytes? Made-up content can be invalid for these."""
    return tensor.storage not in program.constants and (not tensor.dtype.is_float or len(tensor.shape) < 2)


def _misshapen(step: ReferenceStep, results: Sequence[Any], opt: Mapping[str, int], from_data: set[str]) -> str:
    if step.op_type in ("Loop", "Scan"):  # fewer turns, fewer rows
        return ""
    for tensor, result in zip(step.outputs, results):
        if not isinstance(result, np.ndarray | np.generic):
            return f"its result '{tensor.name}' is no tensor"
        found = np.shape(result)
        wanted = [None if symbols(d) & from_data else evaluate(d, opt) for d in tensor.shape]
        if len(found) != len(wanted) or any(w not in (None, n) for w, n in zip(wanted, found)):
            declared = format_shape(tensor.shape)
            return f"its result '{tensor.name}' is {format_shape(found)}; shape inference says {declared}"
    return ""


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]
