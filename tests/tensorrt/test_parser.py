"""The parser: what it makes of a model, and what it says of a broken one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import Quiet, new_network, outputs_of, random

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"


def parsed(source: str | bytes) -> tuple[trt.INetworkDefinition, trt.OnnxParser]:
    network = new_network()
    parser = trt.OnnxParser(network, Quiet())
    done = parser.parse_from_file(source) if isinstance(source, str) else parser.parse(source)
    assert done, [parser.get_error(i) for i in range(parser.num_errors)]
    return network, parser


def with_external_data(folder: Path) -> tuple[Path, np.ndarray]:
    weight = random(4, 4)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    x, y = (helper.make_tensor_value_info(n, 1, ["n", 4]) for n in "xy")
    graph = helper.make_graph([node], "external", [x], [y], [numpy_helper.from_array(weight, "w")])
    path = folder / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path, weight


def test_a_parsed_network_shows_the_models_names_types_and_shapes() -> None:
    network, parser = parsed(DIGITS.read_bytes())
    assert network.name == "digits"
    image, logits = network.get_input(0), network.get_output(0)
    assert image is not None and logits is not None
    assert (image.name, image.shape, image.dtype) == ("image", (-1, 1, 8, 8), trt.float32)
    assert (logits.name, logits.shape) == ("logits", (-1, 10))
    types = {layer.type for layer in network}
    assert {trt.LayerType.CONVOLUTION, trt.LayerType.POOLING, trt.LayerType.SCALE} <= types
    assert parser.get_layer_output_tensor("/stem/Conv", 0).shape == (-1, 32, 8, 8)
    with pytest.raises(UserError, match=r"E651.*no layer of the parsed model is called 'x'"):
        parser.get_layer_output_tensor("x", 0)


def test_a_new_input_shape_reaches_every_layer() -> None:
    network, _ = parsed(DIGITS.read_bytes())
    network.get_input(0).shape = (5, 1, 8, 8)  # type: ignore[union-attr]
    assert network[1].get_output(0).shape == (5, 32, 8, 8)
    assert network.get_output(0).shape == (5, 10)  # type: ignore[union-attr]


def test_the_parsed_network_computes_what_the_model_computes() -> None:
    network, _ = parsed(str(DIGITS))
    images = np.load(DIGITS.with_name("digits_samples.npz"))["images"][:4]
    output = network.get_output(0)
    assert output is not None
    labels = np.load(DIGITS.with_name("digits_samples.npz"))["labels"][:4]
    np.testing.assert_array_equal(outputs_of(network, output, image=images)[0].argmax(1), labels)


def test_external_data_beside_the_file_is_found_from_the_path(tmp_path: Path) -> None:
    path, weight = with_external_data(tmp_path)
    x = random(2, 4)
    for network, parser in [parsed(str(path)), (new_network(), None)]:
        if parser is None:
            assert trt.OnnxParser(network, Quiet()).parse(path.read_bytes(), path=str(path))
        y = network.get_output(0)
        assert y is not None
        np.testing.assert_allclose(outputs_of(network, y, x=x)[0], x @ weight, rtol=1e-5, atol=1e-6)
        network.get_input(0).shape = (2, 4)  # type: ignore[union-attr]
        builder = trt.Builder(Quiet())
        assert builder.build_serialized_network(network, builder.create_builder_config()) is not None


def test_subgraphs_keep_what_they_take_from_outside_when_tensors_are_renamed() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[2] x, bool c) => (float[2] y) {
        d = Add(x, x)
        y = If (c) <
            then_branch = a () => (float[2] p) { p = Neg(d) }, else_branch = b () => (float[2] q) { q = Abs(x) }
        >
    }"""
    network, _ = parsed(onnx.parser.parse_model(text).SerializeToString())
    network.get_input(0).name = "renamed"  # type: ignore[union-attr]
    network.get_input(0).shape = (2,)  # type: ignore[union-attr]
    y = network.get_output(0)
    assert y is not None
    x = random(2)
    (result,) = outputs_of(network, y, renamed=x, c=np.array(True))
    np.testing.assert_allclose(result, -2 * x, rtol=1e-6)


def test_a_broken_model_is_an_error_with_a_code_and_a_description() -> None:
    logger = Quiet()
    parser = trt.OnnxParser(new_network(), logger)
    assert not parser.parse(b"this is no model")
    assert parser.num_errors == 1
    error = parser.get_error(0)
    assert error.code() is trt.ErrorCode.MODEL_DESERIALIZE_FAILED
    assert "E101" in error.desc() == str(error) and error.node() == -1
    assert error.file() == error.node_name() and error.node_operator() == "" and error.line() == 0
    assert error.func() == "parse" and error.local_function_stack() == [] and not error.local_function_stack_size()
    assert logger.messages[-1][0] == "ERROR"
    parser.clear_errors()
    assert parser.num_errors == 0


def test_a_dangling_input_is_an_invalid_graph_that_names_the_node() -> None:
    node = helper.make_node("Relu", ["nowhere"], ["y"], name="lost")
    y = helper.make_tensor_value_info("y", 1, [2])
    graph = helper.make_graph([node], "g", [], [y])
    parser = trt.OnnxParser(new_network(), Quiet())
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    assert not parser.parse(model.SerializeToString())
    assert parser.get_error(0).code() is trt.ErrorCode.INVALID_GRAPH
    assert "lost" in parser.get_error(0).desc()


def test_supported_models_operators_and_flags() -> None:
    parser = trt.OnnxParser(new_network(), Quiet())
    supported, ((nodes, whole),) = parser.supports_model(DIGITS.read_bytes())
    assert supported and whole and nodes == list(range(22))
    assert parser.supports_model(b"") == (False, [])
    assert parser.supports_operator("Conv") and not parser.supports_operator("Convolute")
    parser.set_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    assert parser.get_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    parser.clear_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)
    assert parser.flags == 0
    assert trt.get_nv_onnx_parser_version() // 10000 == 10
