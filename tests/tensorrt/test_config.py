"""A configuration keeps what it is told."""

from __future__ import annotations

import burnish.tensorrt as trt
from burnish.tune import TimingCache
from tests.tensorrt.built import profile_of, small_network
from tests.tensorrt.run_network import Quiet
from tests.tune.programs import entry


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
    content = TimingCache([entry()]).to_bytes()
    assert cache.combine(config.create_timing_cache(content), False) and bytes(cache.serialize()) == content
    assert config.set_timing_cache(cache, ignore_mismatch=False) and config.get_timing_cache() is cache
    assert cache.reset() and bytes(cache.serialize()) == TimingCache().to_bytes()


def test_a_timing_cache_of_another_program_is_not_taken_unless_the_script_insists() -> None:
    config = new_config()
    foreign = config.create_timing_cache(b"\x16\x00TensorRT")
    assert not config.set_timing_cache(foreign, ignore_mismatch=False) and config.get_timing_cache() is None
    assert not config.create_timing_cache(b"").combine(foreign, False)
    assert config.set_timing_cache(foreign, ignore_mismatch=True) and config.get_timing_cache() is foreign


def test_tactics_are_measured_once_a_level_or_a_cache_is_set() -> None:
    config = new_config()
    assert (config.builder_optimization_level, config.tuning(print)["opt_level"]) == (3, 0)
    config.set_timing_cache(config.create_timing_cache(b""), False)
    assert config.tuning(print)["opt_level"] == 3 and not config.tuning(print)["locked"]
    config.builder_optimization_level = 0
    config.set_flag(trt.BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)
    assert config.tuning(print)["opt_level"] == 0 and config.tuning(print)["locked"]
    config.set_flag(trt.BuilderFlag.DISABLE_TIMING_CACHE)
    assert config.tuning(print)["timing_cache"] is None


def test_a_build_fills_the_timing_cache_and_a_locked_one_replays_it() -> None:
    builder = trt.Builder(Quiet())
    config = builder.create_builder_config()
    config.add_optimization_profile(profile_of(builder, 1, 2, 4))
    config.set_timing_cache(config.create_timing_cache(b""), False)
    config.builder_optimization_level = 1
    first = builder.build_serialized_network(small_network(builder), config)
    content = config.get_timing_cache().serialize()
    assert len(TimingCache.from_bytes(content)) > 0
    config.set_timing_cache(config.create_timing_cache(content), False)
    config.set_flag(trt.BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)
    assert builder.build_serialized_network(small_network(builder), config) == first


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
