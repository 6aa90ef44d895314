"""A small engine that several tests share: y = relu(x) + 1, x [n,3] with n in 1..4, and what it should answer."""

from __future__ import annotations

import functools

import numpy as np

import burnish.tensorrt as trt
from tests.tensorrt.run_network import Array, Quiet


def small_network(builder: trt.Builder) -> trt.INetworkDefinition:
    network = builder.create_network()
    network.name = "small"
    x = network.add_input("x", trt.float32, (-1, 3))
    layer = network.add_activation(x, trt.ActivationType.RELU)
    layer.name = "gate"
    one = network.add_constant((1, 1), np.ones(1, np.float32)).get_output(0)
    total = network.add_elementwise(layer.get_output(0), one, trt.ElementWiseOperation.SUM)
    total.get_output(0).name = "y"
    network.mark_output(total.get_output(0))
    return network


def profile_of(builder: trt.Builder, low: int, best: int, high: int) -> trt.IOptimizationProfile:
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (low, 3), (best, 3), (high, 3))
    return profile


@functools.cache
def small_plan() -> bytes:
    """Two profiles: 1..2 and 2..4 rows."""
    logger = Quiet()
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    assert config.add_optimization_profile(profile_of(builder, 1, 1, 2)) == 0
    assert config.add_optimization_profile(profile_of(builder, 2, 3, 4)) == 1
    plan = builder.build_serialized_network(small_network(builder), config)
    assert plan is not None, logger.messages
    return plan


def small_engine(logger: trt.ILogger | None = None) -> trt.ICudaEngine:
    engine = trt.Runtime(logger or Quiet()).deserialize_cuda_engine(small_plan())
    assert engine is not None
    return engine


def expected(x: Array) -> Array:
    return np.maximum(x, 0) + 1
