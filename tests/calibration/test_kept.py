"""What is kept comes back as it was, from memory and from the file; only so much is in memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from burnish.calibration.kept import Kept
from burnish.errors import EnvironmentProblem


def test_what_is_kept_comes_back_from_memory_and_from_the_file() -> None:
    random = np.random.default_rng(0)
    items: list[dict[str, Any]] = [
        {"x": random.normal(size=(2, 3)).astype(np.float32), "n": np.array(4)},
        {"x": random.normal(size=(5, 3)).astype(ml_dtypes.bfloat16).T, "n": np.zeros((0, 2), np.int64)},
        {"x": np.array(["a", None], object), "n": np.array([True])},
        {"x": np.array([np.nan, -0.0], np.float16), "n": np.array(["one", "word"])},
    ]
    for limit in (1 << 20, 40, 0):
        kept = Kept(items, limit)
        for _ in range(2):
            assert len(kept) == 4
            for found, item in zip(kept, items, strict=True):
                assert list(found) == list(item)
                for name, array in item.items():
                    assert found[name].dtype == array.dtype and found[name].shape == array.shape
                    if array.dtype.hasobject:
                        assert found[name].tolist() == array.tolist()
                    else:
                        assert found[name].tobytes() == array.tobytes()
        assert [each["n"].shape for each in kept[1:3]] == [(0, 2), (1,)] and kept[-1]["n"][1] == "word"


def test_beyond_the_limit_nothing_stays_in_memory() -> None:
    tracemalloc.start()
    kept = Kept(({"x": np.zeros(1 << 18, np.float32)} for _ in range(16)), 2 << 20)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 16 and size < 4 << 20


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(EnvironmentProblem, match="temporary file") as caught:
        Kept([{"x": np.zeros(3)}], 0)
    assert caught.value.code == "E403" and caught.value.why == "No space left on device"
