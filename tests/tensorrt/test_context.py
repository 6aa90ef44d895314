"""A context: shapes, addresses, runs, allocators, profiles; each refusal is logged and answers False."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.tensorrt import cudart
from burnish.tensorrt import pycuda as cuda
from burnish.tensorrt.memory import view
from tests.tensorrt.built import expected, small_engine
from tests.tensorrt.run_network import Quiet, random


def new_context() -> tuple[trt.IExecutionContext, Quiet]:
    logger = Quiet()
    return small_engine(logger).create_execution_context(), logger


def test_shapes_are_unknown_until_they_are_set() -> None:
    context, _ = new_context()
    assert context.get_tensor_shape("x") == (-1, 3) == context.get_tensor_shape("y")
    assert context.infer_shapes() == ["x"] and not context.all_binding_shapes_specified
    assert context.set_input_shape("x", (2, 3))
    assert context.get_tensor_shape("x") == (2, 3) == context.get_tensor_shape("y") == context.get_binding_shape(1)
    assert context.infer_shapes() == [] and context.all_binding_shapes_specified and context.all_shape_inputs_specified
    assert context.get_tensor_strides("y") == (3, 1) == context.get_strides(1)
    assert context.get_max_output_size("y") == 4 * 3 * 4


def test_a_profile_bounds_the_shapes_that_can_be_set() -> None:
    context, logger = new_context()
    assert not context.set_input_shape("x", (3, 3))
    assert "outside profile 0" in logger.messages[-1][1]
    assert context.set_optimization_profile_async(1, 0) and context.active_optimization_profile == 1
    assert context.set_input_shape("x", (3, 3))
    assert not context.set_input_shape("x", (1, 3))
    assert not context.set_input_shape("x", (3,)) and not context.set_input_shape("y", (3, 3))
    assert not context.set_optimization_profile_async(2, 0)
    context.active_optimization_profile = 0
    assert context.active_optimization_profile == 0


def test_tensor_addresses_are_pointers_or_arrays() -> None:
    context, _ = new_context()
    x, y = random(2, 3), np.empty((2, 3), np.float32)
    assert context.set_input_shape("x", x.shape)
    assert context.set_tensor_address("x", x.ctypes.data) and context.set_tensor_address("y", y)
    assert context.get_tensor_address("y") == y.ctypes.data
    assert context.execute_async_v3(stream_handle=0)
    np.testing.assert_allclose(y, expected(x), rtol=1e-6)


def test_bindings_of_tensorrt_8_run_by_index() -> None:
    context, _ = new_context()
    x, y = random(1, 3), np.empty((1, 3), np.float32)
    assert context.set_binding_shape(0, x.shape)
    for run in (context.execute_v2, context.execute_async_v2):
        y[...] = 0
        assert run([x.ctypes.data, y.ctypes.data])
        np.testing.assert_allclose(y, expected(x), rtol=1e-6)
    assert context.execute(1, [x, y]) and context.execute_async(1, [x, y], 0)


def test_runs_that_cannot_be_are_logged_and_answer_false() -> None:
    context, logger = new_context()
    x = random(2, 3)
    assert not context.execute_async_v3(0)
    assert "shape of input 'x' is not set" in logger.messages[-1][1]
    context.set_input_shape("x", x.shape)
    assert not context.execute_async_v3(0)
    assert "input 'x' has no address" in logger.messages[-1][1]
    context.set_tensor_address("x", x)
    assert not context.execute_async_v3(0)
    assert "output 'y' has no address" in logger.messages[-1][1]
    assert not context.execute_v2([1])
    assert "2 tensors, 1 addresses" in logger.messages[-1][1]
    assert not context.execute(4, [0, 0])
    assert "explicit batch dimension" in logger.messages[-1][1]


class Allocator(trt.IOutputAllocator):
    def __init__(self) -> None:
        trt.IOutputAllocator.__init__(self)
        self.memory: dict[str, Any] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def reallocate_output(self, tensor_name: str, memory: int | None, size: int, alignment: int) -> int:
        self.memory[tensor_name] = np.empty(size, np.uint8)
        return int(self.memory[tensor_name].ctypes.data)

    def notify_shape(self, tensor_name: str, shape: Any) -> None:
        self.shapes[tensor_name] = tuple(shape)


def test_an_output_allocator_gets_an_output_whose_size_data_decides() -> None:
    logger = Quiet()
    builder = trt.Builder(logger)
    network = builder.create_network()
    found = network.add_non_zero(network.add_input("x", trt.float32, (6,))).get_output(0)
    found.name = "where"
    network.mark_output(found)
    engine = builder.build_engine(network, builder.create_builder_config())
    assert engine is not None, logger.messages
    assert engine.get_tensor_shape("where") == (1, -1)
    context, allocator = engine.create_execution_context(), Allocator()
    assert context.get_max_output_size("where") == -1
    assert context.get_tensor_shape("where") == (1, -1)
    assert context.set_output_allocator("where", allocator) and context.get_output_allocator("where") is allocator
    x = np.array([0, 1, 0, 2, 3, 0], np.float32)
    context.set_tensor_address("x", x)
    assert context.execute_async_v3(0), logger.messages
    assert allocator.shapes == {"where": (1, 3)}
    np.testing.assert_array_equal(allocator.memory["where"].view(np.int32), [1, 3, 4])
    room = np.zeros((1, 6), np.int32)
    context.set_output_allocator("where", None)
    context.set_tensor_address("where", room)
    assert context.execute_async_v3(0)
    np.testing.assert_array_equal(room, [[1, 3, 4, 0, 0, 0]])


def test_a_profiler_is_told_every_layers_time() -> None:
    class Times(trt.IProfiler):
        def report_layer_time(self, layer_name: str, ms: float) -> None:
            times[layer_name] = ms

    times: dict[str, float] = {}
    context, _ = new_context()
    assert not context.report_to_profiler()
    context.profiler = Times()
    x, y = random(2, 3), np.empty((2, 3), np.float32)
    context.set_input_shape("x", x.shape)
    assert context.execute_v2([x, y])
    assert len(times) == context.engine.num_layers and all(ms >= 0 for ms in times.values())


def test_contexts_are_independent() -> None:
    engine = small_engine()
    x = {n: random(n, 3, seed=n) for n in (1, 2)}
    y = {n: np.empty((n, 3), np.float32) for n in (1, 2)}
    contexts = {1: engine.create_execution_context(), 2: engine.create_execution_context_without_device_memory()}
    for n, context in contexts.items():
        context.set_input_shape("x", (n, 3))
    for n, context in contexts.items():
        assert context.execute_v2([x[n], y[n]])
    for n in (1, 2):
        np.testing.assert_allclose(y[n], expected(x[n]), rtol=1e-6)


def test_memory_at_a_null_address_is_refused_unless_it_is_empty() -> None:
    dtype = small_engine().spec("x").dtype
    with pytest.raises(UserError, match=r"E654.*output 'y' has no address"):
        view(0, dtype, (1,), "output 'y'")
    assert view(0, dtype, (0, 3), "output 'y'").shape == (0, 3)


def test_cudart_allocates_copies_and_frees_host_memory() -> None:
    success = cudart.cudaError_t.cudaSuccess
    x, back = random(5), np.zeros(5, np.float32)
    error, address = cudart.cudaMallocAsync(x.nbytes, 0)
    assert error is success and address % 64 == 0
    kinds = cudart.cudaMemcpyKind
    assert cudart.cudaMemcpy(address, x, x.nbytes, kinds.cudaMemcpyHostToDevice) == (success,)
    assert cudart.cudaMemcpyAsync(back, address, x.nbytes, kinds.cudaMemcpyDeviceToHost, 0) == (success,)
    np.testing.assert_array_equal(back, x)
    cudart.cudaMemset(address, 0, x.nbytes)
    cudart.cudaMemcpy(back, address, x.nbytes, kinds.cudaMemcpyDefault)
    assert not back.any()
    assert cudart.cudaFreeAsync(address, 0) == (success,)
    assert cudart.cudaFree(address) == (cudart.cudaError_t.cudaErrorInvalidValue,)
    assert cudart.cudaFree(0) == cudart.cudaDeviceSynchronize() == cudart.cudaSetDevice(0) == (success,)
    stream = cudart.cudaStreamCreate()[1]
    assert cudart.cudaStreamSynchronize(stream) == cudart.cudaStreamDestroy(stream) == (success,)
    assert cudart.cudaGetErrorString(cudart.cudaSetDevice(1)[0])[1] == b"cudaErrorInvalidValue"


def test_pycuda_allocates_and_copies_host_memory() -> None:
    x = random(4, 2).T  # strided: copied in row-major order
    memory, back = cuda.mem_alloc(x.nbytes), cuda.pagelocked_zeros(x.shape, np.float32)
    cuda.memcpy_htod_async(memory, x, cuda.Stream())
    cuda.memcpy_dtoh(back, memory)
    np.testing.assert_array_equal(back, x)
    assert int(memory) % 64 == 0 and cuda.pagelocked_empty(3, np.int8).shape == (3,)
    memory.free()
    np.testing.assert_array_equal(np.array(view(int(memory), small_engine().spec("x").dtype, x.shape, "it")), x)
