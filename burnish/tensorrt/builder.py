"""Builder: a network and a configuration become a plan."""

from __future__ import annotations

from typing import Any

from burnish.devices.this_machine import target_by_name
from burnish.errors import BurnishError, UserError
from burnish.target import INTEGER_EXTENSIONS
from burnish.tensorrt.building import build_plan
from burnish.tensorrt.config import IBuilderConfig
from burnish.tensorrt.engine import ICudaEngine
from burnish.tensorrt.enums import BuilderFlag
from burnish.tensorrt.interfaces import IErrorRecorder, IGpuAllocator, IInt8Calibrator, ILogger, report
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.memory import IHostMemory
from burnish.tensorrt.network.network import INetworkDefinition
from burnish.tensorrt.profile import IOptimizationProfile

__all__ = ["Builder"]


class Builder(Managed):
    """Builder(logger). A failed build logs the error and returns None, as in TensorRT."""

    platform_has_tf32 = platform_has_fast_fp16 = False
    num_DLA_cores = max_DLA_batch_size = 0

    def __init__(self, logger: ILogger) -> None:
        self.logger = logger
        self.error_recorder: IErrorRecorder | None = None
        self.gpu_allocator: IGpuAllocator | None = None
        self.max_threads = 0
        self.max_batch_size = 1  # TensorRT 8; networks have an explicit batch, which this does not change
        self._limits = IBuilderConfig()

    @property
    def platform_has_fast_int8(self) -> bool:
        """Whether this processor multiplies four bytes with one instruction; without, INT8 runs too, and is slower."""
        return "vnni" in target_by_name("cpu", INTEGER_EXTENSIONS).extensions

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        """`flags` as TensorRT 8 wants them (EXPLICIT_BATCH); the batch dimension is always explicit."""
        return INetworkDefinition(int(flags), self.logger)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        """The plan as bytes; None if the build failed, with the reason in the log and the error recorder."""
        try:
            return IHostMemory(build_plan(network, config, self.logger).to_bytes())
        except BurnishError as error:
            report(self.logger, error, self.error_recorder)
            return None

    def build_engine(self, network: INetworkDefinition, config: IBuilderConfig) -> ICudaEngine | None:
        """TensorRT 8: build and load."""
        try:
            return ICudaEngine(build_plan(network, config, self.logger), self.logger)
        except BurnishError as error:
            report(self.logger, error, self.error_recorder)
            return None

    build_engine_with_config = build_engine

    @property
    def max_workspace_size(self) -> int:
        """TensorRT 7's attribute for the limit that `build_cuda_engine` uses."""
        return self._limits.max_workspace_size

    @max_workspace_size.setter
    def max_workspace_size(self, value: int) -> None:
        self._limits.max_workspace_size = value

    @property
    def int8_mode(self) -> bool:
        """TensorRT 7's switch for INT8; `int8_calibrator` and `fp16_mode` are of the same age."""
        return self._limits.get_flag(BuilderFlag.INT8)

    @int8_mode.setter
    def int8_mode(self, value: bool) -> None:
        (self._limits.set_flag if value else self._limits.clear_flag)(BuilderFlag.INT8)

    @property
    def fp16_mode(self) -> bool:
        return self._limits.get_flag(BuilderFlag.FP16)

    @fp16_mode.setter
    def fp16_mode(self, value: bool) -> None:
        (self._limits.set_flag if value else self._limits.clear_flag)(BuilderFlag.FP16)

    @property
    def int8_calibrator(self) -> IInt8Calibrator | None:
        return self._limits.int8_calibrator

    @int8_calibrator.setter
    def int8_calibrator(self, value: IInt8Calibrator | None) -> None:
        self._limits.int8_calibrator = value

    def build_cuda_engine(self, network: INetworkDefinition) -> ICudaEngine | None:
        """TensorRT 7: build and load, without a configuration."""
        return self.build_engine(network, self._limits)

    def is_network_supported(self, network: INetworkDefinition, config: IBuilderConfig) -> bool:
        """Whether the network is well formed; every operator runs, on a kernel or on the reference kernel."""
        try:
            network.to_model()
        except UserError as error:
            report(self.logger, error, self.error_recorder)
            return False
        return True

    def reset(self) -> None:
        self._limits.reset()

    def get_plugin_registry(self) -> Any:
        raise UserError("E656", "Burnish has no plugins", hint="define the operator: docs/adding-an-operator.md")

    def __repr__(self) -> str:
        return f"Builder({type(self.logger).__name__})"
