"""Whole scripts as people write them for TensorRT 8 and 10, with the import line changed (and where the memory is)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import burnish.tensorrt as trt
from burnish.tensorrt import cudart
from burnish.tensorrt import pycuda as cuda
from tests.tensorrt.run_network import Array, Quiet, random

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
EXPLICIT_BATCH = 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


@pytest.fixture(scope="module")
def samples() -> tuple[Array, Array]:
    """Images, and ONNX Runtime's logits for them."""
    images = np.load(DIGITS.with_name("digits_samples.npz"))["images"][:8]
    session = onnxruntime.InferenceSession(DIGITS, providers=["CPUExecutionProvider"])
    return images, session.run(None, {"image": images})[0]


def test_the_onnx_sample_of_tensorrt_8(samples: tuple[Array, Array]) -> None:
    """max_workspace_size, build_engine, a loop over bindings, pycuda, execute_async_v2."""
    logger = trt.Logger(trt.Logger.WARNING)

    def build_engine(path: Path) -> Any:
        with (
            trt.Builder(logger) as builder,
            builder.create_network(EXPLICIT_BATCH) as network,
            builder.create_builder_config() as config,
            trt.OnnxParser(network, logger) as parser,
        ):
            config.max_workspace_size = 1 << 28
            with open(path, "rb") as model:
                if not parser.parse(model.read()):
                    for error in range(parser.num_errors):
                        print(parser.get_error(error))
                    return None
            network.get_input(0).shape = [8, 1, 8, 8]
            return builder.build_engine(network, config)

    images, expected = samples
    engine = build_engine(DIGITS)
    inputs, outputs, bindings, stream = [], [], [], cuda.Stream()
    for binding in engine:
        size = trt.volume(engine.get_binding_shape(binding)) * engine.max_batch_size
        host_mem = cuda.pagelocked_empty(size, trt.nptype(engine.get_binding_dtype(binding)))
        device_mem = cuda.mem_alloc(host_mem.nbytes)
        bindings.append(int(device_mem))
        (inputs if engine.binding_is_input(binding) else outputs).append((host_mem, device_mem))
    with engine.create_execution_context() as context:
        np.copyto(inputs[0][0], images.ravel())
        for host, device in inputs:
            cuda.memcpy_htod_async(device, host, stream)
        context.execute_async_v2(bindings=bindings, stream_handle=stream.handle)
        for host, device in outputs:
            cuda.memcpy_dtoh_async(host, device, stream)
        stream.synchronize()
    np.testing.assert_allclose(outputs[0][0].reshape(8, 10), expected, rtol=1e-4, atol=1e-5)


def test_the_onnx_sample_of_tensorrt_10_with_a_dynamic_batch(samples: tuple[Array, Array], tmp_path: Path) -> None:
    """Memory pool, profile, a file on disk, tensor addresses, cudart, execute_async_v3."""

    def cuda_call(call: Any) -> Any:
        error, *result = call
        assert error == cudart.cudaError_t.cudaSuccess
        return result[0] if len(result) == 1 else result

    images, expected = samples
    logger = trt.Logger(trt.Logger.ERROR)
    trt.init_libnvinfer_plugins(logger, "")
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse_from_file(str(DIGITS)), [parser.get_error(i).desc() for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 28)
    profile = builder.create_optimization_profile()
    profile.set_shape("image", (1, 1, 8, 8), (4, 1, 8, 8), (16, 1, 8, 8))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    with open(tmp_path / "model.engine", "wb") as file:
        file.write(plan)

    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine((tmp_path / "model.engine").read_bytes())
    context = engine.create_execution_context()
    stream = cuda_call(cudart.cudaStreamCreate())
    for batch in (8, 3):
        context.set_input_shape("image", (batch, 1, 8, 8))
        host, device = {}, {}
        for i in range(engine.num_io_tensors):
            name = engine.get_tensor_name(i)
            dtype = trt.nptype(engine.get_tensor_dtype(name))
            host[name] = np.empty(tuple(context.get_tensor_shape(name)), dtype)
            device[name] = cuda_call(cudart.cudaMalloc(host[name].nbytes))
            context.set_tensor_address(name, device[name])
        host["image"][...] = images[:batch]
        kinds = cudart.cudaMemcpyKind
        size = host["image"].nbytes
        cuda_call(cudart.cudaMemcpyAsync(device["image"], host["image"], size, kinds.cudaMemcpyHostToDevice, stream))
        assert context.execute_async_v3(stream_handle=stream)
        logits = host["logits"]
        cuda_call(cudart.cudaMemcpyAsync(logits, device["logits"], logits.nbytes, kinds.cudaMemcpyDeviceToHost, stream))
        cuda_call(cudart.cudaStreamSynchronize(stream))
        np.testing.assert_allclose(logits, expected[:batch], rtol=1e-4, atol=1e-5)
        for address in device.values():
            cuda_call(cudart.cudaFree(address))


def mnist_weights() -> dict[str, Array]:
    shapes = {"c1": (20, 1, 5, 5), "b1": (20,), "c2": (50, 20, 5, 5), "b2": (50,)}
    shapes |= {"f1": (500, 800), "g1": (500,), "f2": (10, 500), "g2": (10,)}
    return {name: random(*shape, seed=n) * 0.1 for n, (name, shape) in enumerate(shapes.items())}


def mnist_expected(x: Array, w: dict[str, Array]) -> Array:
    """The network in float64 numpy."""

    def convolve(x: Array, kernel: Array, bias: Array) -> Array:
        views = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], (2, 3))
        return np.einsum("nchwrs,kcrs->nkhw", views, kernel) + bias[:, None, None]

    def pool(x: Array) -> Array:
        n, c, h, v = x.shape
        return x.reshape(n, c, h // 2, 2, v // 2, 2).max(axis=(3, 5))

    w = {name: value.astype(np.float64) for name, value in w.items()}
    x = pool(convolve(pool(convolve(x.astype(np.float64), w["c1"], w["b1"])), w["c2"], w["b2"]))
    hidden = np.maximum(x.reshape(len(x), -1) @ w["f1"].T + w["g1"], 0)
    logits = hidden @ w["f2"].T + w["g2"]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def populate_network(network: trt.INetworkDefinition, weights: dict[str, Array]) -> None:
    """As TensorRT's sample network_api_pytorch_mnist does it, with a softmax at the end."""
    input_tensor = network.add_input(name="data", dtype=trt.float32, shape=(2, 1, 28, 28))

    def add_matmul_as_fc(net: Any, input: Any, outputs: int, w: Array, b: Array) -> Any:
        m = 1 if len(input.shape) == 3 else input.shape[0]
        k = int(np.prod(input.shape) / m)
        n = int(w.size / k)
        input_reshape = net.add_shuffle(input)
        input_reshape.reshape_dims = trt.Dims2(m, k)
        filter_const = net.add_constant(trt.Dims2(n, k), w)
        mm = net.add_matrix_multiply(
            input_reshape.get_output(0),
            trt.MatrixOperation.NONE,
            filter_const.get_output(0),
            trt.MatrixOperation.TRANSPOSE,
        )
        bias_const = net.add_constant(trt.Dims2(1, n), b)
        bias_add = net.add_elementwise(mm.get_output(0), bias_const.get_output(0), trt.ElementWiseOperation.SUM)
        output_reshape = net.add_shuffle(bias_add.get_output(0))
        output_reshape.reshape_dims = trt.Dims4(m, n, 1, 1)
        return output_reshape

    conv1 = network.add_convolution_nd(
        input=input_tensor, num_output_maps=20, kernel_shape=(5, 5), kernel=weights["c1"], bias=weights["b1"]
    )
    conv1.stride_nd = (1, 1)
    pool1 = network.add_pooling_nd(input=conv1.get_output(0), type=trt.PoolingType.MAX, window_size=(2, 2))
    pool1.stride_nd = trt.Dims2(2, 2)
    conv2 = network.add_convolution_nd(pool1.get_output(0), 50, (5, 5), weights["c2"], weights["b2"])
    conv2.stride_nd = (1, 1)
    pool2 = network.add_pooling_nd(conv2.get_output(0), trt.PoolingType.MAX, (2, 2))
    pool2.stride_nd = trt.Dims2(2, 2)
    fc1 = add_matmul_as_fc(network, pool2.get_output(0), 500, weights["f1"], weights["g1"])
    relu1 = network.add_activation(input=fc1.get_output(0), type=trt.ActivationType.RELU)
    fc2 = add_matmul_as_fc(network, relu1.get_output(0), 10, weights["f2"], weights["g2"])
    prob = network.add_softmax(fc2.get_output(0))
    prob.axes = 1 << 1
    prob.get_output(0).name = "prob"
    network.mark_output(tensor=prob.get_output(0))


def test_mnist_layer_by_layer() -> None:
    logger = Quiet()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
    weights, images = mnist_weights(), random(2, 1, 28, 28, seed=20)
    populate_network(network, weights)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, logger.messages
    with trt.Runtime(logger) as runtime, runtime.deserialize_cuda_engine(plan) as engine:
        context = engine.create_execution_context()
        prob = np.empty(tuple(engine.get_tensor_shape("prob")), np.float32)
        context.set_tensor_address("data", images.ctypes.data)
        context.set_tensor_address("prob", prob.ctypes.data)
        assert context.execute_async_v3(0)
    expected = mnist_expected(images, weights)
    assert prob.shape == (2, 10, 1, 1)
    np.testing.assert_allclose(prob.reshape(2, 10), expected, rtol=1e-4, atol=1e-6)


def test_a_parsed_model_takes_more_layers(samples: tuple[Array, Array]) -> None:
    """Top-1 appended after an ONNX model's output, as detection scripts append NMS."""
    images, expected = samples
    logger = Quiet()
    builder = trt.Builder(logger)
    network = builder.create_network(EXPLICIT_BATCH)
    assert trt.OnnxParser(network, logger).parse_from_file(str(DIGITS))
    logits = network.get_output(0)
    network.unmark_output(logits)
    layer = network.add_topk(logits, trt.TopKOperation.MAX, 1, 1 << 1)
    layer.get_output(1).name = "digit"
    network.mark_output(layer.get_output(1))
    network.get_input(0).name = "picture"
    network.get_input(0).shape = (8, 1, 8, 8)
    engine = builder.build_engine(network, builder.create_builder_config())
    assert engine is not None, logger.messages
    assert [engine.get_tensor_name(i) for i in range(2)] == ["picture", "digit"]
    digit = np.zeros((8, 1), np.int32)
    assert engine.create_execution_context().execute_v2([images.ctypes.data, digit.ctypes.data])
    np.testing.assert_array_equal(digit[:, 0], expected.argmax(1))
