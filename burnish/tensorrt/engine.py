"""ICudaEngine: a plan, loaded. TensorRT's name; on the CPU target it runs on the CPU."""

from __future__ import annotations

from typing import Any

from burnish.tensorrt.context import IExecutionContext
from burnish.tensorrt.datatype import DataType
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.engine_tensors import EngineTensors
from burnish.tensorrt.enums import (
    EngineCapability,
    ExecutionContextAllocationStrategy,
    HardwareCompatibilityLevel,
    TensorFormat,
    TensorLocation,
)
from burnish.tensorrt.inspector import EngineInspector
from burnish.tensorrt.memory import IHostMemory

__all__ = ["ICudaEngine"]


class ICudaEngine(EngineTensors):
    """Get one from `Runtime.deserialize_cuda_engine`. Tensors are numbered inputs first, in the network's order."""

    has_implicit_batch_dimension = False
    max_batch_size = 1
    engine_capability = EngineCapability.STANDARD
    hardware_compatibility_level = HardwareCompatibilityLevel.NONE
    refittable = False
    num_aux_streams = 0
    tactic_sources = 0
    streamable_weights_size = 0

    def serialize(self) -> IHostMemory:
        return IHostMemory(self.plan.to_bytes())

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC
    ) -> IExecutionContext:
        return IExecutionContext(self)

    def create_execution_context_without_device_memory(self) -> IExecutionContext:
        """An ordinary context. On the CPU it owns its arena, whatever `device_memory` is set to."""
        return IExecutionContext(self)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self.engine)

    # TensorRT 8: tensors by binding index

    @property
    def num_bindings(self) -> int:
        return len(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: int | str) -> str | int:
        """The name of a binding index, or the index of a name."""
        return self.get_binding_name(key) if isinstance(key, int) else self.get_binding_index(key)

    def __iter__(self) -> Any:
        return iter(list(self._tensors))

    def get_binding_name(self, index: int) -> str:
        return self.spec(index).name

    def get_binding_index(self, name: str) -> int:
        """-1 if no binding has this name."""
        return list(self._tensors).index(name) if name in self._tensors else -1

    def binding_is_input(self, index: int | str) -> bool:
        return self.spec(index).name in self._inputs

    def get_binding_shape(self, index: int | str) -> Dims:
        return self.get_tensor_shape(self.spec(index).name)

    def get_binding_dtype(self, index: int | str) -> DataType:
        return self.get_tensor_dtype(self.spec(index).name)

    def get_location(self, index: int | str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_binding_format(self, index: int) -> TensorFormat:
        return TensorFormat.LINEAR

    def is_execution_binding(self, index: int) -> bool:
        return True

    def is_shape_binding(self, index: int) -> bool:
        return False

    def get_profile_shape(self, profile_index: int, binding: int | str) -> list[Dims]:
        return self.get_tensor_profile_shape(self.spec(binding).name, profile_index)
