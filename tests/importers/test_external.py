"""external.py: weights beside the model, and nothing else on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.build import parse


def save(folder: Path, location: str = "weights.bin", **entries: int) -> Path:
    """A model whose weight lies in an external file (which is not written here)."""
    folder.mkdir(parents=True, exist_ok=True)
    proto = parse(17, "agraph (float[2,3] x) => (float[2,3] y) { y = Mul (x, w) }")
    weight = onnx.TensorProto(name="w", data_type=1, dims=[2, 3], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=str(value))
    proto.graph.initializer.append(weight)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


def refused(path: Path | bytes, code: str, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_model(path)
    assert caught.value.code == code, str(caught.value)
    for word in (*words, "'w'"):
        assert word in str(caught.value)


def test_external_data_stays_in_its_file_until_it_is_read(tmp_path: Path):
    path = save(tmp_path, offset=8, length=24)
    (tmp_path / "weights.bin").write_bytes(bytes(8) + WEIGHT.tobytes())
    imported = load_model(path)
    tensor = imported.model.graph.initializers["w"].const_value
    assert isinstance(tensor, ir.ExternalTensor)
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT)


def test_the_hash_covers_external_data(tmp_path: Path):
    path = save(tmp_path)
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    first = load_model(path).sha256
    (tmp_path / "weights.bin").write_bytes((WEIGHT + 1).tobytes())
    assert load_model(path).sha256 != first


def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "sub/../../secret.bin", "..\\secret.bin", ""):
        refused(save(tmp_path / "folder", location), "E120")


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    path = save(tmp_path / "folder")
    os.symlink(tmp_path / "secret.bin", path.parent / "weights.bin")
    refused(path, "E120", "weights.bin")


def test_a_cache_that_links_model_and_data_into_one_store_is_accepted(tmp_path: Path):
    stored = save(tmp_path / "store")
    (tmp_path / "store" / "weights.bin").write_bytes(WEIGHT.tobytes())
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for name in ("model.onnx", "weights.bin"):
        os.symlink(stored.parent / name, snapshot / name)
    tensor = load_model(snapshot / "model.onnx").model.graph.initializers["w"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT)


def test_a_missing_file_is_refused(tmp_path: Path):
    refused(save(tmp_path), "E121", "weights.bin")


def test_a_file_that_is_too_short_is_refused(tmp_path: Path):
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes()[:-1])
    refused(save(tmp_path), "E122", "24 bytes", "has 23")
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    refused(save(tmp_path, offset=4), "E122")
    refused(save(tmp_path, offset=-4), "E122")
    refused(save(tmp_path, length=20), "E122")


def test_bytes_with_external_data_are_refused(tmp_path: Path):
    refused(save(tmp_path).read_bytes(), "E123")
