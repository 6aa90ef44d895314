"""Placeholder ranges are those that trtexec sets."""

from __future__ import annotations

import onnx.parser

from burnish.calibration.placeholder_ranges import NOTE, placeholder_ranges


def test_the_first_reader_of_a_tensor_decides_its_range() -> None:
    text = """<ir_version: 9, opset_import: ["" : 17]>
    g (float[1,2,4,4] x, float[1,2,4,4] z) => (float[1,4,4,4] y, float[1,2,1,1] p) {
        a = Relu(x)  y = Concat<axis=1>(a, z)  b = Relu(z)  c = Relu(a)  p = GlobalAveragePool(c)
    }"""
    ranges = placeholder_ranges(onnx.parser.parse_model(text).graph)
    largest = {name: found.largest for name, found in ranges.tensors.items()}
    assert largest == {"x": 2, "a": 4, "z": 4, "c": 2, "y": 4, "b": 4, "p": 2}
    assert all(found.low == -found.high for found in ranges.tensors.values()) and ranges.notes == (NOTE,)
