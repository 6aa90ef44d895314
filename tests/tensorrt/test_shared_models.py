"""Real models through OnnxParser: the network gives back the model, engines answer as ONNX Runtime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import burnish.tensorrt as trt
from tests.tensorrt.run_network import Array, Quiet, new_network

MODELS = Path(__file__).parents[3] / "shared" / "models"
FOUND = sorted(p.parent.name for p in MODELS.glob("*/model.onnx"))
pytestmark = pytest.mark.skipif(not FOUND, reason="the shared models are not beside the repository")


def sample(name: str) -> dict[str, Array]:
    """The inputs of a model's first data set, by name."""
    graph = onnx.load(MODELS / name / "model.onnx").graph
    constants = {t.name for t in graph.initializer}
    names = [i.name for i in graph.input if i.name not in constants]
    files = [MODELS / name / "test_data_set_0" / f"input_{n}.pb" for n in range(len(names))]
    return {n: numpy_helper.to_array(onnx.TensorProto.FromString(f.read_bytes())) for n, f in zip(names, files)}


def expected(name: str, inputs: dict[str, Array]) -> list[Array]:
    session = onnxruntime.InferenceSession(MODELS / name / "model.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


@pytest.mark.parametrize("name", FOUND)
def test_a_network_that_was_parsed_gives_the_model_back(name: str) -> None:
    network = new_network()
    parser = trt.OnnxParser(network, Quiet())
    assert parser.parse((MODELS / name / "model.onnx").read_bytes()), parser.get_error(0)
    inputs = sample(name)
    assert [network.get_input(i).name for i in range(network.num_inputs)] == list(inputs)  # type: ignore[union-attr]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = network.to_onnx().SerializeToString()
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        pytest.skip(f"ONNX Runtime has not the newest form of an operator: {error}")
    for ours, theirs in zip(session.run(None, inputs), expected(name, inputs)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(np.abs(theirs).max() + 1e-6))


@pytest.mark.parametrize("name", [n for n in ("mnist_cntk", "superres_10") if n in FOUND])
def test_an_engine_answers_as_onnx_runtime_does(name: str) -> None:
    logger, inputs = Quiet(), sample(name)
    builder = trt.Builder(logger)
    network = builder.create_network()
    assert trt.OnnxParser(network, logger).parse_from_file(str(MODELS / name / "model.onnx"))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for tensor, array in inputs.items():
        profile.set_shape(tensor, array.shape, array.shape, array.shape)
    config.add_optimization_profile(profile)
    engine = builder.build_engine(network, config)
    assert engine is not None, logger.messages
    context = engine.create_execution_context()
    arrays = dict(inputs)
    for i in range(engine.num_io_tensors):
        tensor = engine.get_tensor_name(i)
        if tensor in inputs:
            assert context.set_input_shape(tensor, arrays[tensor].shape)
        else:
            dtype = trt.nptype(engine.get_tensor_dtype(tensor))
            arrays[tensor] = np.empty(tuple(context.get_tensor_shape(tensor)), dtype)
        context.set_tensor_address(tensor, arrays[tensor])
    assert context.execute_async_v3(0), logger.messages
    outputs = [a for n, a in arrays.items() if n not in inputs]
    for ours, theirs in zip(outputs, expected(name, inputs)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(np.abs(theirs).max()))
