"""pack_tables.py: tables of few bits stay codes; GatherBlockQuantized means the same to ONNX Runtime and in a plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import burnish
from burnish.passes.quantised.pack_tables import PackTables
from burnish.passes.rewrite.context import PassReport
from burnish.passes.rewrite.rule import apply_rules
from tests.passes.models import add_constants, parse, run_ort

RNG = np.random.default_rng(0)
NAMES = {"int4": "int4", "uint4": "uint4", "int8": "int8", "uint8": "uint8", "float32": "float"}
INDICES = np.array([[3, 19, 0], [-1, 7, 7]])


def model_of(body: str, constants: dict[str, Any], width: int = 32) -> ir.Model:
    names = ", ".join(f"{NAMES[a.dtype.name]}[{','.join(map(str, a.shape))}] {n}" for n, a in constants.items())
    graph = f"agraph (int64[2,3] i, {names}) => (float[2,3,{width}] y) {{ {body} }}"
    return add_constants(parse(f'<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]> {graph}'), constants)


def codes(number: int, *shape: int) -> Any:
    low, high = {21: (0, 16), 22: (-8, 8), 3: (-128, 128)}[number]
    return RNG.integers(low, high, shape).astype(ir.DataType(number).numpy())


def scales(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "blocks": (
        "v = DequantizeLinear<axis=1, block_size=16>(w, s, z) y = Gather(v, i)",
        {"w": codes(21, 20, 32), "s": scales(20, 2), "z": codes(21, 20, 2)},
    ),
    "signed": (
        "v = DequantizeLinear<axis=1, block_size=16>(w, s) y = Gather(v, i)",
        {"w": codes(22, 20, 32), "s": scales(20, 2)},
    ),
    "a scale a row": (
        "v = DequantizeLinear<axis=0>(w, s) y = Gather<axis=0>(v, i)",
        {"w": codes(3, 20, 32), "s": scales(20)},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_table_stays_codes(form: str) -> None:
    model, before = model_of(*FORMS[form]), model_of(*FORMS[form])
    assert apply_rules(model.graph, (PackTables(),), PassReport()) == 1
    assert [n.op_type for n in model.graph] == ["GatherBlockQuantized"]
    (want,) = run_ort(before, {"i": INDICES})
    if form != "a scale a row":  # ONNX Runtime takes 8 bits of i8 alone
        np.testing.assert_allclose(run_ort(model, {"i": INDICES})[0], want, rtol=1e-6)
    plan = burnish.build(before)
    assert sum(len(b) for n, b in plan.blobs.items() if n.startswith("weights/")) < 20 * 32 * 2
    with burnish.load(plan, threads=1) as engine:
        np.testing.assert_array_equal(engine(i=INDICES)["y"], want)


@pytest.mark.parametrize(
    ("body", "constants", "width", "why"),
    [
        (
            "v = DequantizeLinear<axis=0>(w, s) y = Gather<axis=1>(v, i)",
            {"w": codes(22, 20, 32), "s": scales(20)},
            32,
            "it picks columns",
        ),
        ("y = Gather(w, i)", {"w": scales(20, 32)}, 32, "not dequantised"),
        ("v = DequantizeLinear(w, s) y = Gather(v, i)", {"w": codes(22, 20, 31), "s": scales()}, 31, "no whole bytes"),
        ("v = DequantizeLinear(w, s) y = Gather(v, i)", {"w": codes(3, 20), "s": scales()}, 31, "makes no matrix"),
    ],
)
def test_other_tables_are_left_alone(body: str, constants: dict[str, Any], width: int, why: str) -> None:
    report = PassReport()
    assert apply_rules(model_of(body, constants, width).graph, (PackTables(),), report) == 0
    (found,) = report.why("PackTables")
    assert why in found.reason
