"""The table of definitions: (domain, operator) -> what it computes.

    @operator("Relu")
    def relu(node: NodeView) -> Result: ...

A definition raises `Undefined` for a form of its operator that it does not cover (such as Resize with mode cubic). That
node then runs on the reference kernel, and the reason is reported.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from burnish.dtypes import DType
from burnish.ops.language.definition import Definition, NodeView, Recurrent, Trees
from burnish.ops.ranks import why_not_taken

Result = Definition | Recurrent | Trees | None
Results = Result | tuple[Result, ...]
Define = Callable[[NodeView], Results]
Function = TypeVar("Function", bound=Define)

FAMILIES = (
    "pointwise", "activation", "quantize", "movement", "indexing", "generate", "scatter", "reduction",
    "normalization", "pooling", "resize", "grid_sample", "contraction", "few_bits", "convolution", "attention",
    "recurrent", "trees", "features",
)  # fmt: skip
_table: dict[tuple[str, str], Define] = {}


class Undefined(Exception):
    """This form of the operator has no definition here; the text says which form, for the build report."""


class Misfit(Exception):
    """The inputs do not fit the operator, so the model is not valid; `infer` says at which node (E203)."""


def operator(op_type: str, domain: str = "") -> Callable[[Function], Function]:
    """Add the decorated function to the table."""

    def enter(function: Function) -> Function:
        assert (domain, op_type) not in _table, f"{domain}:{op_type} is defined twice"
        _table[domain, op_type] = function
        return function

    return enter


def is_defined(domain: str, op_type: str) -> bool:
    """Whether some form of the operator has a definition."""
    return (_domain(domain), op_type) in _definitions()


def define(node: NodeView) -> tuple[Result, ...]:
    """The definition of each output of the node, in order. None for an output that is left out.

    Recurrent operators and tree ensembles give one `Recurrent` or `Trees` for the node, which lists the outputs itself.
    raises: Undefined, with the reason; Misfit for inputs of ranks that the operator does not take
    """
    function = _definitions().get((_domain(node.domain), node.op_type))
    if function is None:
        raise Undefined(f"{node.op_type} has no definition")
    if why := why_not_taken(node):
        raise Misfit(why)
    _refuse_without_kernels(node.op_type, (t.dtype for t in node.inputs if t is not None))
    results = function(node)
    results = results if isinstance(results, tuple) else (results,)
    own = (r for r in results if r is not None and not isinstance(r, Recurrent | Trees))
    _refuse_without_kernels(node.op_type, (r.dtype for r in own))
    return results + (None,) * (len(node.output_names) - len(results))


def defined_operators() -> tuple[tuple[str, str], ...]:
    """Every (domain, operator) with a definition, sorted."""
    return tuple(sorted(_definitions()))


def _refuse_without_kernels(op_type: str, dtypes: Iterable[DType]) -> None:
    """Shape and Size read no element, so that theirs may be of any type."""
    foreign = next((t for t in dtypes if not t.has_kernels), None)
    if foreign is not None and op_type not in ("Shape", "Size"):
        raise Undefined(f"{op_type} of {foreign.value}")


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


@functools.cache
def _definitions() -> dict[tuple[str, str], Define]:
    for family in FAMILIES:
        importlib.import_module(f"burnish.ops.{family}")
    return _table
