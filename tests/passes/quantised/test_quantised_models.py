"""The integer passes together, on models of every tool: which products sum codes, and that the answers are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.importers import load_model
from burnish.ops.registry import is_defined
from burnish.passes.pipeline import CLEAN, INTEGERS, optimize
from burnish.passes.rewrite.context import PassContext

CASES = Path(__file__).parents[3].parent / "shared" / "quantised"
OWN = {p.name for p in INTEGERS.passes} - {p.name for p in CLEAN.passes}
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
WHOLE = ("ConvInteger", "MatMulInteger")
WIDE = "its data has codes of type uint16, not 8 bits"
LEFT: dict[str, tuple[int, list[str]]] = {  # case: integer products, and why each f32 product is none
    "hand_depthwise_sigmoid_u8": (1, []),
    "modelopt_digits_int8_f32": (6, ["classifier.weight is not dequantised"]),
    "nncf_block_transformer": (6, []),
    "nncf_digits_mixed": (7, []),
    "ort_block_qdq_u8s8_pc_int": (8, []),
    "ort_cnn_qdq_u8s8_pc": (5, []),
    "ort_digits_qdq_addqdq": (7, []),
    "ort_digits_qdq_s8s8": (7, []),
    "ort_digits_qdq_sym": (7, []),
    "ort_digits_qdq_u8s8_pc_entropy_int": (7, []),
    "ort_digits_qdq_a16w8_int": (0, [WIDE] * 7),
    "ort_upconv_qdq_u8s8_int": (3, []),
    "pt2e_cnn_x86": (4, []),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the shared models beside the repository")
@pytest.mark.parametrize("name", LEFT)
def test_products_of_codes(name: str):
    model = load_model(CASES / name / "model.onnx", keep=is_defined).model
    context = PassContext(integer_products=True)
    optimize(model, context)
    nodes = list(model.graph.all_nodes())
    integers = sum(n.op_type in WHOLE for n in nodes)
    reasons = [context.report.declined["ProductToIntegers", str(n.name)] for n in nodes if n.op_type in PRODUCTS]
    assert (integers, reasons) == LEFT[name]


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the shared models beside the repository")
def test_a_target_without_integer_products_keeps_numbers():
    model = load_model(CASES / "ort_cnn_qdq_u8s8_pc" / "model.onnx", keep=is_defined).model
    report = optimize(model, PassContext())
    assert sum(n.op_type in PRODUCTS for n in model.graph.all_nodes()) == 5
    assert not any(row.name in OWN for row in report.rows)
