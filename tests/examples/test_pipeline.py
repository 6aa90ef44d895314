"""examples/pipeline beside examples/repository: a picture's file in, a word out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

from tests.serve.app.server_process import running

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def picture(image: np.ndarray) -> bytes:
    return b"P5 8 8 16\n" + np.rint(image * 16).astype(np.uint8).tobytes()


def test_the_ensemble_reads_pictures_of_digits(tmp_path: Path) -> None:
    for folder in ("repository", "pipeline"):
        shutil.copytree(EXAMPLES / folder, tmp_path / "models", dirs_exist_ok=True)
    with np.load(EXAMPLES / "digits_samples.npz") as samples:
        images, labels = samples["images"][:8], samples["labels"][:8]
    files = np.array([[picture(image)] for image in images], object)
    with running(tmp_path / "models", build_cache=tmp_path / "cache") as server:
        assert server.failed == []
        with http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
            tensor = http.InferInput("FILE", list(files.shape), "BYTES")
            tensor.set_data_from_numpy(files)
            answer = client.infer("read_digit", [tensor])
            words = [word.decode() for word in answer.as_numpy("DIGIT").ravel()]
            assert words == [NAMES[n] for n in labels]
            assert np.all(answer.as_numpy("PROBABILITY") > 0.5)
            wrong = http.InferInput("FILE", [1, 1], "BYTES")
            wrong.set_data_from_numpy(np.array([[b"GIF89a"]], object))
            with pytest.raises(InferenceServerException, match="the file is no binary PGM picture"):
                client.infer("read_digit", [wrong])
