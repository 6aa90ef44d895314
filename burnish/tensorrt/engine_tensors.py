"""An engine's facts about its plan: tensors by name and number, their shapes, types and profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.plan.manifest import TensorSpec
from burnish.tensorrt.datatype import DataType, data_type
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.enums import ProfilingVerbosity, TensorFormat, TensorIOMode, TensorLocation
from burnish.tensorrt.interfaces import IErrorRecorder, ILogger
from burnish.tensorrt.managed import Managed


class EngineTensors(Managed):
    """The part of ICudaEngine that its contexts use. Tensors are numbered inputs first, in the network's order."""

    def __init__(self, plan: Plan, logger: ILogger, threads: int | None = None) -> None:
        self.plan, self.logger = plan, logger
        self.engine = burnish.load(plan, threads)
        self.error_recorder: IErrorRecorder | None = None
        self._surface: dict[str, Any] = plan.manifest.options.get("tensorrt", {})
        self._tensors: dict[str, TensorSpec] = {t.name: t for t in self._ordered()}
        self._inputs = {t.name for t in plan.manifest.inputs}

    def _ordered(self) -> Sequence[TensorSpec]:
        """The plan's tensors, in the network's order if the plan states it."""
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
