"""ONNX's node cases with every dimension open, as checked code: at their own sizes, and with each axis cut to 1 or 0.

A case of some operators runs always; all of them with `-m slow`.
"""

from __future__ import annotations

import pytest

from burnish.errors import BurnishError, InternalError
from tests.end_to_end.open_cases import TARGET, Oracle, assert_same, cuts, open_case
from tests.node_cases import NodeCase, cases_by_kind

# What must be answered wherever another implementation answers, since a 1 (and a 1 alone) broadcasts. Elsewhere others
# take sizes that ONNX's text does not allow, each in its own way; those may be refused.
BROADCASTING = {
    "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Expand", "Gemm", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "MatMul", "MatMulInteger", "Max", "Mean", "Min", "Mod", "Mul", "Or",
    "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
}  # fmt: skip
ALWAYS = {
    "Add", "Attention", "AveragePool", "Clip", "Concat", "Conv", "Einsum", "Expand", "Gather", "GatherElements",
    "GatherND", "Gemm", "GridSample", "LSTM", "LayerNormalization", "MatMul", "OneHot", "Reshape",
    "ScatterElements", "ScatterND", "Slice", "Softmax", "Split", "Squeeze", "Tile", "Where",
}  # fmt: skip
NOT_OURS = {  # case and cut: what is said instead, where we and the specification's text agree against the oracle
    "test_reduce_mean": "the mean of nothing is NaN, as numpy and onnx.reference say; ONNX Runtime says 0",
    "test_attention_4d": "the oracles differ among themselves on causal masks beside a cache or a mask of one row",
    "test_convtranspose_autopad_same W": "ONNX Runtime makes SAME outputs smaller than input * stride",
}
SKIPPED = {
    "Dropout": "in training mode it is random",
    "TreeEnsemble": "its table of sizes is fixed by attributes",
}


def parameters() -> list[object]:
    seen: set[str] = set()
    found = []
    for case in cases_by_kind()["one node"]:
        if case.operator in SKIPPED:
            continue
        is_fast = case.operator in ALWAYS - seen
        seen.add(case.operator)
        found.append(pytest.param(case, id=case.name, marks=[] if is_fast else [pytest.mark.slow]))
    return found


@pytest.mark.parametrize("case", parameters())
@pytest.mark.parametrize("constant_arguments", [True, False], ids=["arguments constant", "arguments open"])
def test_open_dimensions_agree_with_other_implementations(case: NodeCase, constant_arguments: bool) -> None:
    opened = open_case(case, constant_arguments)
    if not constant_arguments and opened.inputs.keys() == open_case(case, True).inputs.keys():
        pytest.skip("it has no arguments")
    check(case, constant_arguments, least=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [c for c in cases_by_kind()["one node"] if c.operator in BROADCASTING], ids=lambda case: case.name
)
def test_empty_axes_agree_with_other_implementations(case: NodeCase) -> None:
    check(case, constant_arguments=True, least=0)


def check(case: NodeCase, constant_arguments: bool, least: int, target: str = TARGET) -> None:
    """The engine's answers, or its coded refusals, for the case's own sizes and for every cut."""
    opened = open_case(case, constant_arguments)
    oracle = Oracle(opened.model)
    with opened.build(least, target) as engine:
        assert_same(engine(dict(opened.inputs)), opened.expected, opened.tolerance, "own sizes")
        for place, feeds in cuts(opened.inputs, (1,) if least else (1, 0)):
            want = oracle.answers(feeds)
            try:
                got = engine(feeds)
            except InternalError:
                raise
            except BurnishError:
                is_new_rank = want is None or any(want[n].ndim != x.ndim for n, x in opened.expected.items())
                assert is_new_rank or case.operator not in BROADCASTING, place
                continue
            if want is not None and not any(f"{case.name} {place}".startswith(known) for known in NOT_OURS):
                assert_same(got, want, opened.tolerance, place)
