"""IBuilderConfig and ITimingCache: the settings for building a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from burnish.errors import UserError
from burnish.precision.words import FP8, INT8
from burnish.tensorrt.enums import (
    BuilderFlag,
    DeviceType,
    EngineCapability,
    HardwareCompatibilityLevel,
    MemoryPoolType,
    PreviewFeature,
    ProfilingVerbosity,
    QuantizationFlag,
    RuntimePlatform,
    TilingOptimizationLevel,
)
from burnish.tensorrt.interfaces import IInt8Calibrator, IProgressMonitor
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.memory import IHostMemory
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.profile import IOptimizationProfile
from burnish.tune import TimingCache, TuningOptions

__all__ = ["IBuilderConfig", "ITimingCache"]

NOT_THERE_YET = (
    BuilderFlag.INT4, BuilderFlag.FP4,
    BuilderFlag.REFIT, BuilderFlag.STRIP_PLAN, BuilderFlag.WEIGHT_STREAMING,
)  # fmt: skip


DEFAULT_LEVEL = 3  # TensorRT's


class ITimingCache:
    """Measured tactics, as bytes that a later build can start from. `is_foreign`: made from another program's bytes."""

    def __init__(self, content: bytes) -> None:
        self.is_foreign = False
        try:
            self.tactics = TimingCache.from_bytes(content)
        except UserError:
            self.tactics, self.is_foreign = TimingCache(), True

    def serialize(self) -> IHostMemory:
        return IHostMemory(self.tactics.to_bytes())

    def combine(self, input_cache: ITimingCache, ignore_mismatch: bool) -> bool:
        """Add another cache's tactics. Of two tactics for one task, the faster one stays."""
        if input_cache.is_foreign and not ignore_mismatch:
            return False
        self.tactics.merge(input_cache.tactics)
        return True

    def reset(self) -> bool:
        self.tactics.keep(())
        return True


class IBuilderConfig(Managed):
    """Get one from `Builder.create_builder_config`. Settings of DLA cores and plugins are kept and change nothing."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to the defaults."""
        self.flags = BuilderFlag.TF32.bit
        self.quantization_flags = 0
        self._level: int | None = None
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.engine_capability = EngineCapability.STANDARD
        self.hardware_compatibility_level = HardwareCompatibilityLevel.NONE
        self.runtime_platform = RuntimePlatform.SAME_AS_BUILD
        self.tiling_optimization_level = TilingOptimizationLevel.NONE
        self.progress_monitor: IProgressMonitor | None = None
        self.int8_calibrator: IInt8Calibrator | None = None
        self.algorithm_selector: Any = None
        self.default_device_type = DeviceType.GPU
        self.DLA_core = -1
        self.avg_timing_iterations = 1
        self.min_timing_iterations = 1
        self.max_aux_streams = -1
        self.max_num_tactics = -1
        self.l2_limit_for_tiling = 0
        self.profile_stream = 0
        self.plugins_to_serialize: list[str] = []
        self._pools: dict[MemoryPoolType, int] = {}
        self._profiles: list[IOptimizationProfile] = []
        self._calibration_profile: IOptimizationProfile | None = None
        self._timing_cache: ITimingCache | None = None
        self._preview: dict[PreviewFeature, bool] = {}
        self._tactic_sources = 0
        self._devices: dict[ILayer, DeviceType] = {}

    @property
    def builder_optimization_level(self) -> int:
        """0: by cost model. 1 to 5: measured, with more candidates at higher levels, once it or a cache is set."""
        return DEFAULT_LEVEL if self._level is None else self._level

    @builder_optimization_level.setter
    def builder_optimization_level(self, value: int) -> None:
        self._level = int(value)

    def tuning(self, note: Callable[[str], None]) -> TuningOptions:
        """How the build finds its tactics. `note` gets a message about tactics that could not be measured."""
        cache = None if self.get_flag(BuilderFlag.DISABLE_TIMING_CACHE) else self._timing_cache
        level = DEFAULT_LEVEL if self._level is None and cache is not None else self._level or 0
        return {
            "timing_cache": None if cache is None else cache.tactics,
            "opt_level": level,
            "locked": self.get_flag(BuilderFlag.ERROR_ON_TIMING_CACHE_MISS),
            "note_tuning": note,
        }

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags |= flag.bit

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags &= ~flag.bit

    def get_flag(self, flag: BuilderFlag) -> bool:
        return bool(self.flags & flag.bit)

    def set_quantization_flag(self, flag: QuantizationFlag) -> None:
        self.quantization_flags |= flag.bit

    def clear_quantization_flag(self, flag: QuantizationFlag) -> None:
        self.quantization_flags &= ~flag.bit

    def get_quantization_flag(self, flag: QuantizationFlag) -> bool:
        return bool(self.quantization_flags & flag.bit)

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        """WORKSPACE bounds what one tactic may need for itself; tactics that need more are left out, with a note."""
        self._pools[pool] = int(pool_size)

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        """0 where no limit was set."""
        return self._pools.get(pool, 0)

    @property
    def max_workspace_size(self) -> int:
        """TensorRT 8's name of the WORKSPACE limit."""
        return self.get_memory_pool_limit(MemoryPoolType.WORKSPACE)

    @max_workspace_size.setter
    def max_workspace_size(self, value: int) -> None:
        self.set_memory_pool_limit(MemoryPoolType.WORKSPACE, value)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """The profile's index; -1 if it bounds no input."""
        if not profile:
            return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self) -> IOptimizationProfile | None:
        return self._calibration_profile

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        """The build takes its tactics from the cache, measures missing ones, and adds them to it."""
        if cache.is_foreign and not ignore_mismatch:
            return False
        self._timing_cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._timing_cache

    def set_preview_feature(self, feature: PreviewFeature, enable: bool) -> None:
        self._preview[feature] = enable

    def get_preview_feature(self, feature: PreviewFeature) -> bool:
        return self._preview.get(feature, False)

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        """Kept; Burnish writes its kernels itself and calls no library of kernels."""
        self._tactic_sources = tactic_sources
        return True

    def get_tactic_sources(self) -> int:
        return self._tactic_sources

    def set_device_type(self, layer: ILayer, device_type: DeviceType) -> None:
        self._devices[layer] = device_type

    def get_device_type(self, layer: ILayer) -> DeviceType:
        return self._devices.get(layer, self.default_device_type)

    def is_device_type_set(self, layer: ILayer) -> bool:
        return layer in self._devices

    def reset_device_type(self, layer: ILayer) -> None:
        self._devices.pop(layer, None)

    def can_run_on_DLA(self, layer: ILayer) -> bool:
        """Always False."""
        return False

    @property
    def codes(self) -> str:
        """What products may multiply: int8 where both flags are set, since plans are for this machine's processor."""
        return INT8 if self.get_flag(BuilderFlag.INT8) else FP8 if self.get_flag(BuilderFlag.FP8) else ""

    @property
    def precision(self) -> str:
        """The precision for burnish.build. TensorRT's builder chooses an allowed type; f16 is the more exact."""
        if self.get_flag(BuilderFlag.FP16):
            return "fp16"
        return "bf16" if self.get_flag(BuilderFlag.BF16) else "fp32"

    @property
    def obeys_layers(self) -> bool:
        """Do the precisions of single layers hold? Without such a flag they are hints, in TensorRT too."""
        return self.must_obey_layers or self.get_flag(BuilderFlag.PREFER_PRECISION_CONSTRAINTS)

    @property
    def must_obey_layers(self) -> bool:
        """Does a build fail that cannot keep to them?"""
        return self.get_flag(BuilderFlag.OBEY_PRECISION_CONSTRAINTS) or self.get_flag(BuilderFlag.STRICT_TYPES)

    def flags_not_there_yet(self) -> list[BuilderFlag]:
        """The flags that are set but have no effect yet, in order."""
        return [f for f in NOT_THERE_YET if self.get_flag(f)]
