"""Calibrate ResNet-50: our time an image beside that of a plain f32 run, and beside ONNX Runtime's calibrators.

    python -m benchmarks.calibration --images 20 --turns 3 --threads 2

Turns alternate. ONNX Runtime's calibrators are MinMax and Entropy at their defaults. Each is measured from the second
image on, without the build; choosing the ranges at the end is a figure of its own. Processor time is what to trust on
a machine that others use too.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import CalibrationDataReader, create_calibrator

from burnish.building import build
from burnish.calibration import calibrate
from burnish.runtime import load
from tests.end_to_end.architectures import FULL

Times = tuple[float, float]  # seconds of wall and of processor


def _now() -> np.ndarray[Any, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


class _Marked(CalibrationDataReader):  # type: ignore[misc]
    """Images in turn, and the time when each was asked for."""

    def __init__(self, images: list[dict[str, Any]], count: int) -> None:
        self.images, self.count, self.marks = images, count, list[np.ndarray[Any, Any]]()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (image := self.get_next()) is not None:
            yield image

    def get_next(self) -> dict[str, Any] | None:
        self.marks.append(_now())
        number = len(self.marks) - 1
        return self.images[number % len(self.images)] if number <= self.count else None

    def result(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Seconds an image, and seconds after the last."""
        return (self.marks[-1] - self.marks[1]) / (self.count - 1), _now() - self.marks[-1]


def _theirs(model: str, images: list[dict[str, Any]], count: int, method: Any, threads: int) -> Any:
    reader = _Marked(images, count)
    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(
            model, augmented_model_path=str(Path(folder) / "a.onnx"), calibrate_method=method
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        calibrator.infer_session = onnxruntime.InferenceSession(str(Path(folder) / "a.onnx"), options)
        calibrator.collect_data(reader)
        calibrator.compute_data()
    return reader.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("images", 20), ("turns", 3), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    architecture = FULL["resnet50"]
    model = architecture.make()
    images = [architecture.feeds(1, seed=n) for n in range(4)]
    found: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as folder, load(build(model, batch="1:1:1"), threads=given.threads) as engine:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        for _ in range(given.turns):
            reader = _Marked(images, given.images)
            for image in reader:
                engine(image)
            found.setdefault("f32 run", []).append(reader.result())
            reader = _Marked(images, given.images)
            calibrate(model, reader, threads=given.threads)
            found.setdefault("burnish entropy", []).append(reader.result())
            for method in (CalibrationMethod.MinMax, CalibrationMethod.Entropy):
                result = _theirs(str(path), images, given.images, method, given.threads)
                found.setdefault(f"ONNX Runtime {method.name}", []).append(result)
    plain = found["f32 run"]
    for name, turns in found.items():
        wall, used = (statistics.median(each[0][n] for each in turns) * 1e3 for n in (0, 1))
        ratio = statistics.median(each[0][1] / run[0][1] for each, run in zip(turns, plain))
        after = statistics.median(each[1][1] for each in turns)
        each_image = f"{wall:7.1f} ms an image, {used:7.1f} ms of processor time ({ratio:.2f} of a run)"
        print(f"{name:22} {each_image}; then {after:.2f} s")


if __name__ == "__main__":
    main()
