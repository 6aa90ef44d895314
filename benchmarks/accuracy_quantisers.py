"""What other tools make of a model and a calibration part: ONNX Runtime's static quantisation, and NNCF's.

ONNX Runtime's runs here; NNCF, which wants an environment of its own, in the Python that `--nncf` names:

    NNCF_PYTHON benchmarks/accuracy_quantisers.py FOLDER     model.onnx and samples/*.npz in it -> nncf.onnx
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

METHODS = ("minmax", "entropy", "percentile")


def by_onnxruntime(model: bytes, samples: list[dict[str, Any]], method: str) -> bytes:
    """QDQ, u8 data and i8 weights for each channel, after its own preprocessing; other settings at their defaults."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    names = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
    with tempfile.TemporaryDirectory() as folder:
        given, ready, done = (str(Path(folder) / name) for name in ("given.onnx", "ready.onnx", "done.onnx"))
        onnx.save(_in_opset_13(onnx.ModelProto.FromString(model)), given)
        quant_pre_process(given, ready, skip_symbolic_shape=True)
        for per_channel in (True, False):  # it fails for each channel of some MatMul
            try:
                quantize_static(
                    ready,
                    done,
                    _Reader(samples),
                    quant_format=QuantFormat.QDQ,
                    per_channel=per_channel,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    calibrate_method=getattr(CalibrationMethod, names[method]),
                )
                break
            except ValueError:
                if not per_channel:
                    raise
        return Path(done).read_bytes()


def by_nncf(model: bytes, samples: list[dict[str, Any]], python: str, is_transformer: bool) -> bytes:
    """nncf.quantize at its defaults; a transformer is said to be one."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "model.onnx").write_bytes(model)
        (folder / "samples").mkdir()
        for number, sample in enumerate(samples):
            np.savez(folder / "samples" / f"{number:04}.npz", **sample)
        words = [python, __file__, text, *(["transformer"] if is_transformer else [])]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return (folder / "nncf.onnx").read_bytes()


def _in_opset_13(model: Any) -> Any:
    """Scales for each channel need opset 13, and initializers that are inputs too would not count as weights."""
    constants = {t.name for t in model.graph.initializer}
    kept = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 7)
    is_old = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) < 13
    return onnx.version_converter.convert_version(model, 13) if is_old else model


class _Reader:
    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self._rest = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._rest, None)


def _nncf(folder: Path, is_transformer: bool) -> None:
    import nncf

    samples = [dict(np.load(f)) for f in sorted((folder / "samples").glob("*.npz"))]
    model = _in_opset_13(onnx.load(folder / "model.onnx"))
    kind = {"model_type": nncf.ModelType.TRANSFORMER} if is_transformer else {}
    quantised = nncf.quantize(model, nncf.Dataset(samples), subset_size=len(samples), **kind)
    onnx.save(quantised, folder / "nncf.onnx")


if __name__ == "__main__":
    _nncf(Path(sys.argv[1]), "transformer" in sys.argv)
