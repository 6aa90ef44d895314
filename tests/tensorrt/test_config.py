"""A configuration keeps what it is told."""

from __future__ import annotations

import burnish.tensorrt as trt
from tests.tensorrt.run_network import Quiet


def new_config() -> trt.IBuilderConfig:
    return trt.Builder(Quiet()).create_builder_config()


def test_flags_are_set_cleared_and_one_word() -> None:
    config = new_config()
    assert config.get_flag(trt.BuilderFlag.TF32)
    config.clear_flag(trt.BuilderFlag.TF32)
    config.set_flag(trt.BuilderFlag.DEBUG)
    config.set_flag(trt.BuilderFlag.INT8)
    assert config.flags == 0b110
    config.set_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    assert config.get_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    config.clear_quantization_flag(trt.QuantizationFlag.CALIBRATE_BEFORE_FUSION)
    assert config.quantization_flags == 0


def test_the_workspace_has_two_names() -> None:
    config = new_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 20)
    assert config.max_workspace_size == 1 << 20
    assert config.get_memory_pool_limit(trt.MemoryPoolType.DLA_LOCAL_DRAM) == 0


def test_profiles_are_numbered_and_empty_ones_refused() -> None:
    config, builder = new_config(), trt.Builder(Quiet())
    assert config.add_optimization_profile(builder.create_optimization_profile()) == -1
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1,), (1,), (1,))
    assert config.add_optimization_profile(profile) == 0
    assert config.num_optimization_profiles == 1
    assert config.set_calibration_profile(profile) and config.get_calibration_profile() is profile


def test_a_timing_cache_round_trips_and_combines() -> None:
    config = new_config()
    assert config.get_timing_cache() is None
    cache = config.create_timing_cache(b"")
    assert cache.combine(config.create_timing_cache(b"{}"), False) and bytes(cache.serialize()) == b"{}"
    assert config.set_timing_cache(cache, ignore_mismatch=False) and config.get_timing_cache() is cache
    assert cache.reset() and cache.serialize().nbytes == 0


def test_settings_without_meaning_here_are_kept() -> None:
    config = new_config()
    layer = trt.Builder(Quiet()).create_network().add_constant((1,), trt.Weights())
    config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    config.set_tactic_sources(1 << int(trt.TacticSource.CUBLAS))
    config.set_device_type(layer, trt.DeviceType.DLA)
    assert config.get_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806)
    assert config.get_tactic_sources() == 1
    assert config.get_device_type(layer) is trt.DeviceType.DLA and config.is_device_type_set(layer)
    config.reset_device_type(layer)
    assert config.get_device_type(layer) is trt.DeviceType.GPU and not config.can_run_on_DLA(layer)
    config.builder_optimization_level = 5
    config.reset()
    assert config.builder_optimization_level == 3 and config.get_tactic_sources() == 0
