"""Do Burnish's own parameters fit the model that they stand beside?"""

from __future__ import annotations

from collections.abc import Iterable

from burnish.serve.config.options.options import Options
from burnish.serve.config.options.values import Axis
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import type_name
from burnish.serve.proto import model_config_pb2 as pb

ANY = -1
_FLOATS = {pb.TYPE_FP16, pb.TYPE_FP32, pb.TYPE_FP64, pb.TYPE_BF16}
_INTEGERS = {
    pb.TYPE_UINT8: (0, 8), pb.TYPE_UINT16: (0, 16), pb.TYPE_UINT32: (0, 32), pb.TYPE_UINT64: (0, 64),
    pb.TYPE_INT8: (1, 8), pb.TYPE_INT16: (1, 16), pb.TYPE_INT32: (1, 32), pb.TYPE_INT64: (1, 64),
}  # fmt: skip
_OF_A_MODEL = ("buckets", "pads", "trims", "batch_sizes", "threads")  # what an ensemble leaves to its steps


def check_options(config: pb.ModelConfig) -> None:
    """Once the configuration is complete: axes vary, values are of the tensors' types, batches are allowed."""
    options = Options.of(config)
    if config.HasField("ensemble_scheduling"):
        default = Options()
        for name in _OF_A_MODEL:
            if getattr(options, name) != getattr(default, name):
                raise _refused(config, f"{name} belong to the models of an ensemble, not to the ensemble")
    inputs = {t.name: t for t in config.input}
    for axis in options.buckets:
        _check_axis(config, "burnish.buckets", axis, inputs.get(axis.tensor), "input")
        if inputs[axis.tensor].allow_ragged_batch:
            raise _refused(config, f"burnish.buckets pads '{axis.tensor}', whose rows may differ (allow_ragged_batch)")
    outputs = {t.name: t for t in config.output}
    for axis, like in options.trims.items():
        _check_axis(config, "burnish.trim", axis, outputs.get(axis.tensor), "output")
        if like not in options.buckets:
            raise _refused(config, f"burnish.trim cuts {axis} back to {like}, which burnish.buckets does not pad")
    for name, value in options.pads.items():
        if name not in inputs:
            raise _refused(config, f"burnish.pad names '{name}', which is no input{_known(inputs)}")
        _check_pad(config, inputs[name], value)
    if options.batch_sizes and options.batch_sizes[-1] > config.max_batch_size:
        raise _refused(
            config,
            f"burnish.batch_sizes fills batches up to {options.batch_sizes[-1]}, more than max_batch_size allows "
            f"({config.max_batch_size})",
        )


def check_named_versions(config: pb.ModelConfig, served: Iterable[int]) -> None:
    """Versions that get a share of requests, or copies of them, must be served."""
    options, present = Options.of(config), set(served)
    named = dict.fromkeys(options.traffic.weights, "burnish.traffic") if options.traffic else {}
    if options.shadow:
        named[options.shadow.version] = "burnish.shadow"
    for version, key in sorted(named.items()):
        if version not in present:
            there = ", ".join(map(str, sorted(present)))
            raise _refused(config, f"{key} names version {version}, and the version policy serves {there}")


def _check_axis(
    config: pb.ModelConfig, key: str, axis: Axis, tensor: pb.ModelInput | pb.ModelOutput | None, kind: str
) -> None:
    if tensor is None:
        of_kind = {t.name: t for t in (config.input if kind == "input" else config.output)}
        raise _refused(config, f"{key} names {axis}, and '{axis.tensor}' is no {kind}{_known(of_kind)}")
    if axis.axis >= len(tensor.dims):
        raise _refused(config, f"{key} names {axis}, and '{axis.tensor}' has {len(tensor.dims)} dims")
    if tensor.dims[axis.axis] != ANY:
        raise _refused(config, f"{key} names {axis}, whose size is always {tensor.dims[axis.axis]}")
    if tensor.HasField("reshape"):
        raise _refused(config, f"{key} names {axis}, and the model sees '{axis.tensor}' in another shape (reshape)")


def _check_pad(config: pb.ModelConfig, tensor: pb.ModelInput, value: bool | int | float | bytes) -> None:
    kind = tensor.data_type
    if kind == pb.TYPE_STRING:
        fits = isinstance(value, bytes)
    elif kind == pb.TYPE_BOOL:
        fits = isinstance(value, bool)
    elif kind in _INTEGERS:
        sign, bits = _INTEGERS[kind]
        least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if sign else (0, (1 << bits) - 1)
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    else:
        fits = kind in _FLOATS and isinstance(value, int | float) and not isinstance(value, bool)
    if not fits:
        shown = repr(value.decode()) if isinstance(value, bytes) else str(value).lower()
        raise _refused(config, f"burnish.pad fills '{tensor.name}' up with {shown}, which is no {type_name(kind)}")


def _known(tensors: dict[str, object]) -> str:
    return f" (there are {', '.join(tensors)})" if tensors else ""


def _refused(config: pb.ModelConfig, why: str) -> ConfigError:
    return ConfigError(f"{why}, for {config.name}")
