"""INT8 and FP8 without Q and DQ layers: ranges of a calibrator's cache, its batches, or the tensors themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import burnish
from burnish.calibration.tensorrt_cache import NEWEST, cache_bytes, parse_cache
from burnish.errors import UserError
from burnish.precision.ranges import Range, Ranges
from burnish.tensorrt.config import IBuilderConfig
from burnish.tensorrt.datatype import burnish_dtype
from burnish.tensorrt.enums import CalibrationAlgoType, LayerType
from burnish.tensorrt.interfaces import IInt8Calibrator, IInt8LegacyCalibrator, ILogger, Severity
from burnish.tensorrt.memory import Array, address_of, view
from burnish.tensorrt.network.network import INetworkDefinition, Translation
from burnish.tensorrt.network.tensor import ITensor

Say = Callable[[str], None]
ALGORITHMS = {
    CalibrationAlgoType.LEGACY_CALIBRATION: "LegacyCalibration",
    CalibrationAlgoType.ENTROPY_CALIBRATION: "EntropyCalibration",
    CalibrationAlgoType.ENTROPY_CALIBRATION_2: "EntropyCalibration2",
    CalibrationAlgoType.MINMAX_CALIBRATION: "MinMaxCalibration",
}
MISSING = (
    "Missing scale and zero-point for tensor {}, expect fall back to non-int8 implementation for any layer consuming "
    "or producing given tensor"
)  # this text and those below are TensorRT's own, which scripts look for


def ranges_of_codes(
    network: INetworkDefinition, config: IBuilderConfig, logger: ILogger, translated: Translation
) -> Ranges | None:
    """The ranges of a build of codes; None if it is none, or if the network's Q and DQ say all.

    raises: E7xx for a damaged cache, a cache of another network, or batches that do not fit
    """

    def warn(text: str) -> None:
        logger.log(Severity.WARNING, text)

    calibrator = config.int8_calibrator
    if not config.codes:
        if calibrator is not None:
            warn("int8_calibrator is set, and neither BuilderFlag.INT8 nor FP8: it is not called")
        return None
    if any(layer.type in (LayerType.QUANTIZE, LayerType.DEQUANTIZE) for layer in network):
        if calibrator is not None:
            warn(
                "Calibrator won't be used in explicit quantization mode. Please insert Quantize/Dequantize layers to "
                "indicate which tensors to quantize/dequantize."
            )
        return None
    by_hand = _by_hand(network, translated)
    if calibrator is None:
        warn(
            "Calibrator is not being used. Users must provide dynamic range for all tensors that are not Int32 or Bool."
        )
        return Ranges(by_hand, is_superset=True) if by_hand else None
    names = {tensor.name: value for tensor, value in translated.values.items()}
    found = _of_calibrator(calibrator, network, config, lambda text: logger.log(Severity.INFO, text), names)
    return replace(found, tensors={**found.tensors, **by_hand}, is_superset=True)


def _by_hand(network: INetworkDefinition, translated: Translation) -> dict[str, Range]:
    """What `dynamic_range` says, by value name. TensorRT's ranges are symmetric, too."""
    tensors = [*network._inputs, *(t for layer in network for t in layer._outputs)]
    found = {t: max(map(abs, t.dynamic_range)) for t in tensors if t.dynamic_range and t in translated.values}
    return {translated.values[t]: Range(-most, most) for t, most in found.items() if most}


def _of_calibrator(
    calibrator: IInt8Calibrator,
    network: INetworkDefinition,
    config: IBuilderConfig,
    say: Say,
    names: Mapping[str, str],
) -> Ranges:
    """From its cache, or from its batches; then it gets the new cache. names: of values, by the tensors' own."""
    algorithm = ALGORITHMS[calibrator.get_algorithm()]
    cache = calibrator.read_calibration_cache()
    if cache:
        say(f"Reading Calibration Cache for calibrator: {algorithm}")
        found = parse_cache(bytes(cache), "read_calibration_cache()")
        say("Generated calibration scales using calibration cache. Make sure that calibration cache has latest scales.")
        say(
            "To regenerate calibration cache, please delete the existing one. TensorRT will generate a new calibration "
            "cache."
        )
        return replace(found, tensors={names.get(n, n): r for n, r in found.tensors.items()})
    start = time.perf_counter()
    say("Starting Calibration.")
    batch = calibrator.get_batch_size()
    shapes = {t: _shape(t, config, batch, _common_batch(network)) for t in network._inputs}
    fixed = {t.name: (shape,) * 3 for t, shape in shapes.items() if -1 in t.shape}
    batches = _batches(calibrator, shapes, say)
    found = burnish.calibrate(
        network.to_model(), batches, method=_method(calibrator), precision=config.codes, profile=fixed or None
    )
    say(f"Calibration completed in {time.perf_counter() - start:.6g} seconds.")
    say(f"Writing Calibration Cache for calibrator: TRT-{NEWEST}-{algorithm}")
    own = {value: name for name, value in names.items()}
    renamed = Ranges({own.get(n, n): r for n, r in found.tensors.items()})
    calibrator.write_calibration_cache(cache_bytes(renamed, algorithm))
    return found


def _method(calibrator: IInt8Calibrator) -> str:
    """Burnish's method for the algorithm."""
    if isinstance(calibrator, IInt8LegacyCalibrator):
        return f"percentile:{100 * calibrator.get_quantile():g}"
    is_minmax = calibrator.get_algorithm() is CalibrationAlgoType.MINMAX_CALIBRATION
    return "minmax" if is_minmax else "entropy"


def _common_batch(network: INetworkDefinition) -> int:
    """The first dimension that all inputs have; 0 if they differ, so that it need not be the batch."""
    first = {t.shape[0] for t in network._inputs if len(t.shape) > 1}
    return first.pop() if len(first) == 1 else 0


def _shape(tensor: ITensor, config: IBuilderConfig, batch: int, common: int) -> tuple[int, ...]:
    """The shape of a batch: the network's, where that is open the calibration profile's (else the first profile's)
    `opt`, and as many samples as the calibrator says that it gives.

    raises: E653 for a dynamic input in no profile, E722 for a batch that is no multiple of the network's
    """
    shape = list(tensor.shape)
    if -1 in shape:
        given = config.get_calibration_profile()
        profiles = [p for p in (given, *config._profiles) if p is not None and tensor.name in p._ranges]
        if not profiles:
            hint = "config.set_calibration_profile(profile) with a shape for it"
            raise UserError("E653", f"no profile says in which shape input '{tensor.name}' is calibrated", hint=hint)
        opt = profiles[0]._ranges[tensor.name][1]
        shape = [o if s < 0 else s for s, o in zip(shape, opt)]
        if tensor.shape[0] < 0 and batch > 0:
            shape[0] = batch
    elif len(shape) > 1 and batch > shape[0] == common > 0 and batch % shape[0] == 0:
        shape[0] = batch  # several runs of the network's own batch
    elif len(shape) > 1 and 0 < batch < shape[0] == common:
        why = f"get_batch_size() is {batch}, and the network takes {shape[0]} samples"
        raise UserError("E722", f"a batch is shorter than input '{tensor.name}'", why=why, hint="give whole batches")
    return tuple(shape)


def _batches(
    calibrator: IInt8Calibrator, shapes: Mapping[ITensor, tuple[int, ...]], say: Say
) -> Iterator[dict[str, Array]]:
    """What `get_batch` gives, copied: it may use the same memory for the next batch."""
    number, names = 0, [t.name for t in shapes]
    while True:
        start = time.perf_counter()
        given = calibrator.get_batch(names)
        if given is None or not len(given) or given[0] is None:
            return
        if len(given) != len(names):
            why = f"get_batch gave {len(given)} addresses for the inputs {', '.join(names)}"
            raise UserError(
                "E722", "a batch does not fit the network", why=why, hint="give one for each input, in order"
            )
        yield {
            t.name: view(address_of(memory), burnish_dtype(t.dtype), shape, f"a batch of '{t.name}'").copy()
            for (t, shape), memory in zip(shapes.items(), given)
        }
        say(f"Calibrated batch {number} in {time.perf_counter() - start:.6g} seconds.")
        number += 1
