"""IExecutionContext: set shapes and addresses, then run the engine on them.

Runs are synchronous: when execute_async_v3 returns, the outputs are written. The stream handle is ignored.
A call that fails logs the error and returns False, as in TensorRT.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.errors import BurnishError, UserError
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.engine_tensors import EngineTensors
from burnish.tensorrt.enums import ProfilingVerbosity
from burnish.tensorrt.interfaces import IErrorRecorder, IOutputAllocator, IProfiler, report
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.memory import Array, address_of, view

__all__ = ["IExecutionContext"]


class IExecutionContext(Managed):
    """Get one from `ICudaEngine.create_execution_context`. It has its own buffers and threads."""

    def __init__(self, engine: EngineTensors) -> None:
        self.engine = engine
        self.name = ""
        self.debug_sync = False
        self.profiler: IProfiler | None = None
        self.enqueue_emits_profile = True
        self.nvtx_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.persistent_cache_limit = 0
        self.temporary_allocator: Any = None
        self.device_memory = 0
        self.error_recorder: IErrorRecorder | None = None
        self._context = engine.engine.create_context()
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._kept: dict[str, Any] = {}  # arrays given as addresses, alive as long as they may be read
        self._allocators: dict[str, IOutputAllocator] = {}
        for tensor in engine.plan.manifest.inputs:
            if all(isinstance(d, int) for d in tensor.shape):
                self._shapes[tensor.name] = tuple(engine.get_tensor_shape(tensor.name))

    # shapes

    def set_input_shape(self, name: str, shape: Iterable[int]) -> bool:
        """False, and a message in the log, for a shape outside the active profile."""
        wanted = tuple(int(d) for d in shape)
        try:
            low, _, high = self.engine.get_tensor_profile_shape(name, self._profile)
            if len(wanted) != len(low) or not all(a <= d <= b for a, d, b in zip(low, wanted, high)):
                raise UserError(
                    "E654",
                    f"shape {wanted} of input '{name}' is outside profile {self._profile}",
                    why=f"the profile allows {low} to {high}",
                    hint="set a shape inside it, or build with a wider profile",
                )
        except BurnishError as error:
            return self._failed(error)
        self._shapes[self.engine.spec(name).name] = wanted
        return True

    def get_tensor_shape(self, name: str) -> Dims:
        """An input's set shape; an output's shape for the shapes that are set, -1 where it cannot be known yet."""
        spec = self.engine.spec(name)
        if spec.name in self._shapes:
            return Dims(self._shapes[spec.name])
        if spec.name in self.engine._inputs or not self.all_binding_shapes_specified:
            return self.engine.get_tensor_shape(spec.name)
        found = self.engine.engine.output_shapes(self._shapes)[spec.name]
        return self.engine.get_tensor_shape(spec.name) if found is None else Dims(found)

    def get_tensor_strides(self, name: str) -> Dims:
        """In elements: row-major."""
        shape = list(self.get_tensor_shape(name))
        return Dims([int(np.prod(shape[n + 1 :], dtype=np.int64)) for n in range(len(shape))])

    def get_max_output_size(self, name: str) -> int:
        """Bytes of an output at the largest shapes of the profile; -1 if data decides."""
        spec = self.engine.spec(name)
        found = self.engine.engine.output_shapes(self.engine.engine.profile_shapes("max"))[spec.name]
        return -1 if found is None else int(np.prod(found, dtype=np.int64)) * spec.dtype.size_bytes

    @property
    def all_binding_shapes_specified(self) -> bool:
        return all(n in self._shapes for n in self.engine._inputs)

    @property
    def all_shape_inputs_specified(self) -> bool:
        return True

    def infer_shapes(self) -> list[str]:
        """The names of the inputs whose shape is not set yet."""
        return [t.name for t in self.engine.plan.manifest.inputs if t.name not in self._shapes]

    @property
    def active_optimization_profile(self) -> int:
        return self._profile

    @active_optimization_profile.setter
    def active_optimization_profile(self, index: int) -> None:
        self.set_optimization_profile_async(index, 0)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            count = self.engine.num_optimization_profiles
            return self._failed(UserError("E654", f"the engine has {count} profiles; {profile_index} is not one"))
        self._profile = profile_index
        return True

    # addresses

    def set_tensor_address(self, name: str, memory: Any) -> bool:
        """`memory`: a host pointer as an int, or an array, or a tensor on the CPU (TensorRT takes the int only)."""
        spec = self.engine.spec(name)
        self._addresses[spec.name] = address_of(memory)
        self._kept[spec.name] = memory
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(self.engine.spec(name).name, 0)

    def set_output_allocator(self, name: str, output_allocator: IOutputAllocator | None) -> bool:
        """The allocator is asked for memory once the run knows the output's size."""
        if output_allocator is None:
            self._allocators.pop(name, None)
        else:
            self._allocators[self.engine.spec(name).name] = output_allocator
        return True

    def get_output_allocator(self, name: str) -> IOutputAllocator | None:
        return self._allocators.get(name)

    # runs

    def execute_async_v3(self, stream_handle: int = 0) -> bool:
        """Run on the addresses that are set."""
        try:
            self._run(self._addresses)
        except BurnishError as error:
            return self._failed(error)
        return True

    def execute_v2(self, bindings: Sequence[Any]) -> bool:
        """Run on a list of addresses, one for each tensor in the engine's order."""
        names = list(self.engine._tensors)
        if len(bindings) != len(names):
            given = f"the engine has {len(names)} tensors, {len(bindings)} addresses were given"
            return self._failed(UserError("E654", given, why=f"in order: {', '.join(names)}"))
        try:
            self._run({n: address_of(b) for n, b in zip(names, bindings)})
        except BurnishError as error:
            return self._failed(error)
        return True

    def execute_async_v2(self, bindings: Sequence[Any], stream_handle: int = 0, input_consumed: Any = None) -> bool:
        return self.execute_v2(bindings)

    def execute(self, batch_size: int = 1, bindings: Sequence[Any] = ()) -> bool:
        """TensorRT 7's. Networks have an explicit batch dimension, so batch_size must be 1."""
        if batch_size != 1:
            return self._failed(
                UserError(
                    "E654",
                    f"batch_size {batch_size} was given to an engine with an explicit batch dimension",
                    hint="context.set_input_shape(name, shape), then execute_v2(bindings)",
                )
            )
        return self.execute_v2(bindings)

    def execute_async(
        self, batch_size: int = 1, bindings: Sequence[Any] = (), stream_handle: int = 0, input_consumed: Any = None
    ) -> bool:
        return self.execute(batch_size, bindings)

    def report_to_profiler(self) -> bool:
        """Measure the layers on the inputs that are set, by more runs (some 20 ms of them), and tell the profiler."""
        if self.profiler is None:
            return False
        self._profile_layers(self._inputs(self._addresses), self.profiler)
        return True

    def _run(self, addresses: Mapping[str, int]) -> None:
        inputs = self._inputs(addresses)
        shapes = self.engine.engine.output_shapes(self._shapes)
        out = {
            t.name: view(addresses.get(t.name, 0), t.dtype, shapes[t.name] or (), f"output '{t.name}'")
            for t in self.engine.plan.manifest.outputs
            if shapes[t.name] is not None and t.name not in self._allocators
        }
        results = self._context(inputs, out=out)
        for name, array in results.items():
            if name not in out:
                self._deliver(name, array, addresses)
        if self.profiler is not None and self.enqueue_emits_profile:
            self._profile_layers(inputs, self.profiler)

    def _profile_layers(self, inputs: Mapping[str, Array], profiler: IProfiler) -> None:
        for layer in self._context.profile(inputs, iterations=1):
            profiler.report_layer_time(layer.name, layer.ms)

    def _inputs(self, addresses: Mapping[str, int]) -> dict[str, Array]:
        missing = self.infer_shapes()
        if missing:
            raise UserError(
                "E654", f"the shape of input '{missing[0]}' is not set", hint="context.set_input_shape(name, shape)"
            )
        return {
            t.name: view(addresses.get(t.name, 0), t.dtype, self._shapes[t.name], f"input '{t.name}'")
            for t in self.engine.plan.manifest.inputs
        }

    def _deliver(self, name: str, array: Array, addresses: Mapping[str, int]) -> None:
        """Write an output whose size is only known after the run to its allocator's memory, or to its address."""
        allocator, spec = self._allocators.get(name), self.engine.spec(name)
        address = addresses.get(name, 0)
        if allocator is not None:
            address = int(allocator.reallocate_output(name, address or None, max(array.nbytes, 1), 64) or 0)
        view(address, spec.dtype, array.shape, f"output '{name}'")[...] = array
        if allocator is not None:
            allocator.notify_shape(name, Dims(array.shape))

    def _failed(self, error: BurnishError) -> bool:
        report(self.engine.logger, error, self.error_recorder or self.engine.error_recorder)
        return False

    # TensorRT 8: by binding index

    def set_binding_shape(self, binding: int, shape: Iterable[int]) -> bool:
        return self.set_input_shape(self.engine.spec(binding).name, shape)

    def get_binding_shape(self, binding: int) -> Dims:
        return self.get_tensor_shape(self.engine.spec(binding).name)

    def get_strides(self, binding: int) -> Dims:
        return self.get_tensor_strides(self.engine.spec(binding).name)
