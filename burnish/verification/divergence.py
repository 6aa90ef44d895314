"""Find where a wrong answer begins. Intermediate tensors become outputs, in the model and in a rebuilt plan.

Marking a tensor as an output keeps it from being fused away, and changes the fusions around it. So only 16 are marked
at once, evenly spread between the last tensor known to agree and the first one known to differ; then the search
continues in a smaller range. If no marked tensor differs, the report says so: the fault lies in a fusion that marking
prevents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from burnish.dtypes import DType
from burnish.errors import BurnishError
from burnish.verification.compare import Array, Comparison, compare
from burnish.verification.oracle import Oracle
from burnish.verification.tolerance import Tolerance, derive_tolerance

Run = Callable[[bytes, Mapping[str, Array]], dict[str, Array]]
MARKED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first tensor, in the model's order, that differs by more than its tolerance. `tensor` is empty if none does.

    after: the last tensor before it that agrees
    """

    tensor: str
    node: str
    operator: str
    after: str
    comparison: Comparison | None
    builds: int

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def first_divergent(
    model: onnx.ModelProto,
    inputs: Mapping[str, Array],
    run: Run,
    oracle: str = "",
    tolerance: float | None = None,
    stored: DType = DType.F32,
) -> Divergence:
    """Search the tensors of the main graph. `run(model bytes, inputs)` builds a plan of a model and runs it.

    stored: the narrower float that the plan keeps values in, if it does

    cost: about log(tensors) / log(16) builds and as many runs of the oracle
    """
    names = [name for node in model.graph.node for name in node.output if name and node.op_type != "Constant"]
    types = _element_types(model)
    low, high = -1, len(names)  # tensors agree up to low and differ from high on
    found: Comparison | None = None
    builds = 0
    while high - low > 1:
        places = _spread(low + 1, high, MARKED_AT_ONCE)
        marked = mark_outputs(model, [names[p] for p in places], types)
        expected = Oracle(marked, oracle)(inputs)
        try:
            ours = run(marked, inputs)
        except BurnishError:
            break  # the marked model cannot be built: report the result so far
        builds += 1
        judged = [_judge(model, names[p], ours, expected, tolerance, stored) for p in places]
        wrong = next((n for n, c in enumerate(judged) if not c.is_accepted), None)
        if wrong is None:
            low = places[-1]
        else:
            high, found = places[wrong], judged[wrong]
            low = places[wrong - 1] if wrong else low
    after = names[low] if low >= 0 else ""
    if found is None:
        return Divergence("", "", "", after, None, builds)
    node = next(n for n in model.graph.node if names[high] in n.output)
    return Divergence(names[high], node.name, node.op_type, after, found, builds)


def mark_outputs(model: onnx.ModelProto, names: Sequence[str], types: Mapping[str, int]) -> bytes:
    """The model with these tensors as outputs beside its own, serialised."""
    marked = onnx.ModelProto()
    marked.CopyFrom(model)
    present = {value.name for value in marked.graph.output}
    for name in names:
        if name not in present:
            marked.graph.output.append(onnx.helper.make_tensor_value_info(name, types.get(name, 0), None))
    return bytes(marked.SerializeToString())


def _judge(
    model: onnx.ModelProto,
    name: str,
    ours: Mapping[str, Array],
    expected: Mapping[str, Array],
    given: float | None,
    stored: DType,
) -> Comparison:
    dtype = DType.of(expected[name].dtype)
    limit = derive_tolerance(model.graph, dtype, name)
    if stored is not DType.F32:
        limit = limit.narrowed(stored)
    if given is not None and dtype.is_float:
        limit = Tolerance(given, limit.quantised)
    return compare(name, ours[name], expected[name], limit)


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    return {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}


def _spread(first: int, end: int, most: int) -> list[int]:
    """At most `most` numbers of range(first, end), evenly spread, the last one among them."""
    count = end - first
    if count <= most:
        return list(range(first, end))
    return sorted({first + (k + 1) * count // most - 1 for k in range(most)})
