"""check_structure.py and check_operators.py: each kind of broken model, with the node named."""

from __future__ import annotations

import onnx
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.build import parse

TWO = "agraph (float[2] x) => (float[2] y) { [first] h = Abs (x) [second] y = Relu (h) }"


def refused(proto: onnx.ModelProto, code: str, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_model(proto)
    assert caught.value.code == code, str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_dangling_input_is_refused_with_its_node():
    proto = parse(17, TWO)
    proto.graph.node[1].input[0] = "nowhere"
    refused(proto, "E110", "'nowhere'", "node 'second'")


def test_a_dangling_input_in_a_subgraph_is_refused():
    text = """agraph (bool c, float[2] x) => (float[2] y) {
        y = If (c) <then_branch = g1 () => (float[2] t) { [inside] t = Relu (x) },
                    else_branch = g2 () => (float[2] e) { e = Neg (x) }> }"""
    proto = parse(17, text)
    proto.graph.node[0].attribute[0].g.node[0].input[0] = "nowhere"
    refused(proto, "E110", "'nowhere'", "node 'inside'")


def test_an_output_that_nothing_defines_is_refused():
    proto = parse(17, TWO)
    proto.graph.output[0].name = "nowhere"
    refused(proto, "E110", "'nowhere'")


def test_a_name_defined_twice_is_refused():
    proto = parse(17, TWO)
    proto.graph.node[1].output[0] = "h"
    refused(proto, "E111", "'h'", "node 'second'")
    proto = parse(17, TWO)
    proto.graph.input.append(proto.graph.input[0])
    refused(proto, "E111", "input 'x'")


def test_a_cycle_is_refused():
    proto = parse(17, TWO)
    proto.graph.node[0].input[0] = "y"
    refused(proto, "E112", "first", "second")


def test_a_missing_opset_import_is_refused():
    proto = parse(17, TWO)
    del proto.opset_import[:]
    refused(proto, "E105", "opset_import is empty")
    proto.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    refused(proto, "E105", "node 'first'")


def test_an_opset_that_does_not_exist_yet_is_refused():
    proto = parse(17, TWO)
    proto.opset_import[0].version = 1000
    refused(proto, "E106", "1000")


def test_an_opset_that_cannot_be_converted_is_refused():
    text = "agraph (float[2,3] x) => (float[2,3] y) { [old] y = Gather <bogus = 1> (x, x) }"
    proto = parse(1, text, ir_version=3)
    proto.graph.node[0].op_type = "Crop"
    refused(proto, "E106")


def test_a_graph_without_outputs_is_refused():
    proto = parse(17, TWO)
    del proto.graph.output[:]
    refused(proto, "E116")


def test_an_unknown_operator_is_refused_with_its_node():
    proto = parse(17, TWO)
    proto.graph.node[1].op_type = "Frobnicate"
    refused(proto, "E113", "Frobnicate", "node 'second'")


def test_an_unknown_domain_is_refused_with_its_node():
    proto = parse(17, TWO)
    proto.graph.node[1].domain = "com.example"
    refused(proto, "E105", "'com.example'", "node 'second'")
    proto.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    refused(proto, "E113", "com.example.Relu", "node 'second'")


def test_an_operator_that_the_caller_keeps_is_let_in():
    proto = parse(17, TWO)
    proto.graph.node[1].domain = "com.example"
    proto.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    imported = load_model(proto, keep=lambda domain, op_type: True)
    assert imported.model.graph.node(1).domain == "com.example"


def test_an_operator_of_a_newer_opset_is_refused():
    refused(parse(13, TWO.replace("Relu", "Gelu")), "E113", "Gelu", "opset 13")


def test_a_wrong_number_of_inputs_is_refused():
    proto = parse(17, TWO)
    proto.graph.node[1].input.append("x")
    refused(proto, "E114", "2 inputs", "node 'second'")


def test_a_split_of_other_outputs_than_it_states_is_refused() -> None:
    text = "g (float[8] x) => (float[4] a, float[4] b) { a, b = Split <num_outputs = 4> (x) }"
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> {text}')
    refused(proto, "E114", "Split has 2 outputs")


def test_a_missing_or_mistyped_attribute_is_refused():
    refused(parse(17, TWO.replace("Relu", "Cast")), "E115", "'to'", "node 'second'")
    refused(parse(17, TWO.replace("Relu", "Softmax <axis = 1.5>")), "E115", "'axis'", "FLOAT")
