"""Is this a request that the model can take? Everything that its configuration decides, in Triton's words.

Triton keeps a request's inputs in a hash table, and tells the first fault that it meets in the table's order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.serve.config.show import protocol_type
from burnish.serve.datatypes import BYTES
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.hash_order import in_hash_order
from burnish.serve.request import Request, StandIn, Tensor
from burnish.serve.status import ServeError, invalid

_NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


@dataclass(frozen=True, slots=True)
class InputRule:
    """dims: without the batch dimension; -1 for any size. inside: as the model sees them, None if that is the same."""

    datatype: str
    dims: tuple[int, ...]
    is_optional: bool = False
    inside: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a configuration asks of a request."""

    model: str
    max_batch_size: int
    inputs: dict[str, InputRule]
    outputs: frozenset[str]
    required: int
    priority_levels: int = 0
    default_priority: int = 0
    is_ragged_allowed: bool = False

    @classmethod
    def of(cls, config: pb.ModelConfig) -> Rules:
        inputs = {
            t.name: InputRule(
                protocol_type(t.data_type),
                tuple(t.dims),
                t.optional,
                tuple(t.reshape.shape) if t.HasField("reshape") else None,
            )
            for t in config.input
        }
        batching = config.dynamic_batching
        return cls(
            config.name,
            config.max_batch_size,
            inputs,
            frozenset(t.name for t in config.output),
            sum(not rule.is_optional for rule in inputs.values()),
            batching.priority_levels,
            batching.default_priority_level,
            any(t.allow_ragged_batch for t in config.input),
        )


def prepare(request: Request, rules: Rules) -> int:
    """Check a request, bring its priority and its tensors into the model's form, and return its rows.

    raises: ServeError, INVALID_ARG; the message begins with the request's id but for names that the model does not have
    """
    for name in request.wanted:
        if name not in rules.outputs:
            raise invalid(f"unexpected inference output '{name}' for model '{rules.model}'")
    if fault := _fault_of_count(request, rules):
        raise invalid(fault).of_request(request.id)
    if rules.priority_levels and not 0 < request.priority <= rules.priority_levels:
        request.priority = rules.default_priority
    inputs = list(request.inputs.values())
    try:
        if len(inputs) > 1 and not all(tensor.data.size for tensor in inputs):
            inputs = _ordered(request)  # what no rows mean depends on who comes first
        rows = _rows_of(inputs, request.id, rules)
    except ServeError:
        rows = _rows_of(_ordered(request), request.id, rules)
    for tensor in inputs:
        if isinstance(tensor, StandIn):
            continue
        if rows and not tensor.shape[0]:  # it holds nothing, in whatever number of rows
            tensor.data = tensor.data.reshape((rows, *tensor.shape[1:]))
        rule = rules.inputs[tensor.name]
        if rule.inside is not None:
            _reshape(tensor, rule, rules.max_batch_size > 0)
    return rows or 1


def shape_text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _ordered(request: Request) -> list[Tensor]:
    return [request.inputs[name] for name in in_hash_order(request.inputs)]


def _rows_of(inputs: Sequence[Tensor], request_id: str, rules: Rules) -> int:
    """How many rows all inputs have; 0 for a model without batches. Raises the first fault in the inputs' order."""
    rows = 0
    for tensor in inputs:
        if tensor.name not in rules.inputs:
            raise invalid(f"unexpected inference input '{tensor.name}' for model '{rules.model}'")
        if rules.max_batch_size > 0:
            if fault := _fault_of_rows(tensor, rules, rows):
                raise invalid(fault).of_request(request_id)
            rows = rows or tensor.shape[0]
    if rows > rules.max_batch_size:
        fault = f"inference request batch-size must be <= {rules.max_batch_size} for '{rules.model}'"
        raise invalid(fault).of_request(request_id)
    for tensor in inputs:
        if fault := _fault_of_tensor(tensor, rules.inputs[tensor.name], rules, rows):
            raise invalid(fault).of_request(request_id)
        if isinstance(tensor, StandIn) and tensor.fault is not None:
            raise tensor.fault
    return rows


def _fault_of_count(request: Request, rules: Rules) -> str:
    given, most = len(request.inputs), len(rules.inputs)
    if rules.required <= given <= most:
        return ""
    if rules.required == most:
        start = f"expected {most} inputs but got {given} inputs for model '{rules.model}'. "
    else:
        start = (
            f"expected number of inputs between {rules.required} and {most} but got {given} inputs for model "
            f"'{rules.model}'. "
        )
    missing = [n for n, rule in rules.inputs.items() if n not in request.inputs and not rule.is_optional]
    got = ",".join(f"'{name}'" for name in in_hash_order(request.inputs))
    lacks = "[" + ",".join(f"'{name}'" for name in missing) if missing else ""  # as Triton: no bracket before nothing
    return f"{start}Got input(s) [{got}], but missing required input(s) {lacks}]. Please provide all required input(s)."


def _fault_of_rows(tensor: Tensor, rules: Rules, rows: int) -> str:
    """rows: of the inputs before it; 0 for none, which is also what an input without rows counts as."""
    if not tensor.shape:
        return f"input '{tensor.name}' has no shape but model requires batch dimension for '{rules.model}'"
    if rows and tensor.shape[0] != rows:
        return f"input '{tensor.name}' batch size does not match other inputs for '{rules.model}'"
    return ""


def _fault_of_tensor(tensor: Tensor, rule: InputRule, rules: Rules, rows: int) -> str:
    if tensor.datatype != rule.datatype:
        return (
            f"inference input '{tensor.name}' data-type is '{tensor.datatype}', but model '{rules.model}' expects "
            f"'{rule.datatype}'"
        )
    shape = tensor.shape
    batches = rules.max_batch_size > 0
    expected = (-1, *rule.dims) if batches else rule.dims
    misfit = next((n for e, n in zip(expected, shape) if n == -1 or e not in (-1, n)), None)
    if misfit == -1 and len(shape) == len(expected):
        return (
            f"All input dimensions should be specified for input '{tensor.name}' for model '{rules.model}', got "
            f"{shape_text(shape)}"
        )
    if misfit is not None or len(shape) != len(expected):
        return (
            f"unexpected shape for input '{tensor.name}' for model '{rules.model}'. Expected {shape_text(expected)}, "
            f"got {shape_text(shape)}. {_NOTE if batches else ''}"
        )
    count = math.prod(shape[1:]) * max(rows, 1)
    return _fault_of_no_rows(tensor, rules, count) if batches and not shape[0] and count else ""


def _fault_of_no_rows(tensor: Tensor, rules: Rules, count: int) -> str:
    """An input without rows lacks the data of the rows that the others have, or of one. count: of elements."""
    if tensor.datatype == BYTES:
        return f"expected {count} string elements for inference input '{tensor.name}' for model '{rules.model}', got 0"
    return (
        f"input byte size mismatch for input '{tensor.name}' for model '{rules.model}'. Expected "
        f"{count * tensor.data.itemsize}, got 0"
    )


def _reshape(tensor: Tensor, rule: InputRule, batches: bool) -> None:
    """From the shape that clients see to the one that the model sees. Both hold the same number of elements."""
    assert rule.inside is not None
    shape = tensor.data.shape
    varying = [n for n, d in zip(shape[1:] if batches else shape, rule.dims) if d == -1]
    inside = [varying.pop(0) if d == -1 else d for d in rule.inside]
    tensor.data = tensor.data.reshape((shape[0], *inside) if batches else inside)
