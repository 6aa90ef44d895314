"""ICudaEngine: a plan, loaded. TensorRT's name; on the CPU target it runs on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.plan.manifest import TensorSpec
from burnish.tensorrt.context import IExecutionContext
from burnish.tensorrt.datatype import DataType, data_type
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.enums import (
    EngineCapability,
    ExecutionContextAllocationStrategy,
    HardwareCompatibilityLevel,
    ProfilingVerbosity,
    TensorFormat,
    TensorIOMode,
    TensorLocation,
)
from burnish.tensorrt.inspector import EngineInspector
from burnish.tensorrt.interfaces import IErrorRecorder, ILogger
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.memory import IHostMemory

__all__ = ["ICudaEngine"]


class ICudaEngine(Managed):
    """Get one from `Runtime.deserialize_cuda_engine`. Tensors are numbered inputs first, in the network's order."""

    has_implicit_batch_dimension = False
    max_batch_size = 1
    engine_capability = EngineCapability.STANDARD
    hardware_compatibility_level = HardwareCompatibilityLevel.NONE
    refittable = False
    num_aux_streams = 0
    tactic_sources = 0
    streamable_weights_size = 0

    def __init__(self, plan: Plan, logger: ILogger, threads: int | None = None) -> None:
        self.plan, self.logger = plan, logger
        self.engine = burnish.load(plan, threads)
        self.error_recorder: IErrorRecorder | None = None
        self._surface: dict[str, Any] = plan.manifest.options.get("tensorrt", {})
        self._tensors: dict[str, TensorSpec] = {t.name: t for t in self._ordered()}
        self._inputs = {t.name for t in plan.manifest.inputs}

    def _ordered(self) -> Sequence[TensorSpec]:
        """The plan's tensors in the network's order, where the plan says it."""
        manifest = self.plan.manifest
        found = {t.name: t for t in (*manifest.inputs, *manifest.outputs)}
        order = [*self._surface.get("inputs", []), *self._surface.get("outputs", [])]
        return [found[n] for n in order] if sorted(order) == sorted(found) else list(found.values())

    def spec(self, name: str | int) -> TensorSpec:
        """A tensor by name, or by TensorRT 8's binding index; E654 if there is none."""
        if isinstance(name, int) and 0 <= name < len(self._tensors):
            return list(self._tensors.values())[name]
        if name not in self._tensors:
            raise UserError(
                "E654",
                f"the engine has no tensor '{name}'",
                why=f"its tensors are {', '.join(self._tensors)}",
                hint="engine.get_tensor_name(index) names them",
            )
        return self._tensors[str(name)]

    @property
    def name(self) -> str:
        return str(self._surface.get("name") or self.plan.manifest.model_name)

    @property
    def num_layers(self) -> int:
        """Kernel launches and reference steps: what the build fused counts once."""
        return len(self.engine.variant.launches)

    @property
    def device_memory_size(self) -> int:
        """Bytes a context allocates for intermediates."""
        return self.engine.variant.arena_bytes

    device_memory_size_v2 = device_memory_size

    def get_device_memory_size_for_profile(self, profile_index: int) -> int:
        return self.device_memory_size

    get_device_memory_size_for_profile_v2 = get_device_memory_size_for_profile

    @property
    def profiling_verbosity(self) -> ProfilingVerbosity:
        return ProfilingVerbosity[self._surface.get("verbosity", "LAYER_NAMES_ONLY")]

    @property
    def num_optimization_profiles(self) -> int:
        return max(len(self._surface.get("profiles", [])), 1)

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return self.spec(index).name

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if self.spec(name).name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Dims:
        """-1 for each dimension that is fixed when shapes are set, or by the data."""
        return Dims([d if isinstance(d, int) else -1 for d in self.spec(name).shape])

    def get_tensor_dtype(self, name: str) -> DataType:
        spec = self.spec(name)
        return data_type(spec.dtype, f"tensor '{spec.name}'")

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_tensor_format(self, name: str, profile_index: int = 0) -> TensorFormat:
        return TensorFormat.LINEAR

    def get_tensor_format_desc(self, name: str, profile_index: int = 0) -> str:
        return f"Row major linear {self.spec(name).dtype.value}"

    def get_tensor_bytes_per_component(self, name: str, profile_index: int = 0) -> int:
        return self.spec(name).dtype.size_bytes

    def get_tensor_components_per_element(self, name: str, profile_index: int = 0) -> int:
        return 1

    def get_tensor_vectorized_dim(self, name: str, profile_index: int = 0) -> int:
        return -1

    def is_shape_inference_io(self, name: str) -> bool:
        return False

    def is_debug_tensor(self, name: str) -> bool:
        return False

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        """[min, opt, max] of an input in a profile."""
        spec = self.spec(name)
        if spec.name not in self._inputs:
            raise UserError("E654", f"tensor '{name}' is an output; only inputs have profile shapes")
        profiles = self._surface.get("profiles", [])
        if profiles and not 0 <= profile_index < len(profiles):
            raise UserError("E654", f"the engine has {len(profiles)} optimization profiles; {profile_index} is not one")
        if profiles and spec.name in profiles[profile_index]:
            return [Dims(s) for s in profiles[profile_index][spec.name]]
        return [Dims(self.engine.profile_shapes(which)[spec.name]) for which in ("min", "opt", "max")]

    def serialize(self) -> IHostMemory:
        return IHostMemory(self.plan.to_bytes())

    def create_execution_context(
        self, strategy: ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy.STATIC
    ) -> IExecutionContext:
        return IExecutionContext(self)

    def create_execution_context_without_device_memory(self) -> IExecutionContext:
        """A context as any other: the CPU's arena belongs to it, whatever `device_memory` is set to."""
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
        """-1 for a name that is no binding."""
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
