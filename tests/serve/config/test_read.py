from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.serve.config.normalise import normalise_groups
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.read import LARGEST_BYTES, check_loaded, first_version, read
from tests.serve.config.configs import TENSORS, refusal


def model(folder: Path, config: str | bytes | None, *files: str) -> Path:
    folder.mkdir()
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    if config is not None:
        (folder / "config.pbtxt").write_bytes(config if isinstance(config, bytes) else config.encode())
    return folder


def test_a_folder_becomes_a_completed_configuration(tmp_path: Path) -> None:
    config = read(model(tmp_path / "m", f"max_batch_size: 2 {TENSORS}", "1/model.py"))
    assert (config.name, config.backend, config.version_policy.latest.num_versions) == ("m", "python", 1)


def test_a_model_needs_no_file(tmp_path: Path) -> None:
    config = read(model(tmp_path / "m", None, "3/model.plan"))
    assert (config.backend, config.default_model_filename, len(config.input)) == ("burnish", "model.plan", 0)


def test_json_stands_in_for_the_file_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "colour: 3", "1/model.py")
    assert read(folder, override='{"max_batch_size": 3}').max_batch_size == 3
    assert "line 1, column 1: ModelConfig has no field 'colour'" in refusal(read, folder)


def test_the_models_name_may_be_another_than_the_folders(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "name: 'n'", "1/model.py")
    assert read(folder, "n").name == "n"
    assert refusal(read, folder).startswith("unexpected directory name 'm' for model 'n'")


def test_a_configuration_may_be_chosen_by_name_where_a_model_has_it(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "max_batch_size: 2", "1/model.py")
    assert read(folder, named="small").max_batch_size == 2
    (folder / "configs").mkdir()
    (folder / "configs" / "small.pbtxt").write_text("max_batch_size: 1")
    assert read(folder, named="small").max_batch_size == 1
    (folder / "configs" / "small.pbtxt").write_text("colour: 1")
    assert "from configs/small.pbtxt: line 1, column 1" in refusal(lambda: read(folder, named="small"))


def test_where_models_may_not_complete_it_the_configuration_says_all(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", f"max_batch_size: 2 {TENSORS}", "1/model.py")
    assert read(folder, may_complete=False).max_batch_size == 2
    (folder / "config.pbtxt").write_text("input { name: 'IN' } output { name: 'OUT' }")
    assert read(folder).input[0].name == "IN"
    why = "model input 'IN' must specify 'data_type' for m"
    assert refusal(lambda: read(folder, may_complete=False)) == why
    (folder / "config.pbtxt").unlink()
    missing = "failed to read text proto from config.pbtxt: there is no such file"
    assert refusal(lambda: read(folder, may_complete=False)) == missing


def test_the_smallest_version_tells_the_backend(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "", "10/model.onnx", "2/model.py", "aa/model.plan", "warmup/x")
    assert first_version(folder) == ["model.py"]
    assert first_version(model(tmp_path / "n", "", "warmup/x", "v1/model.plan")) == ["model.plan"]
    assert first_version(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "it is no file"),
        (lambda path: os.mkfifo(path), "it is no file"),
        (lambda path: path.symlink_to("nowhere"), "it is no file"),
        (lambda path: path.write_bytes(b"#" * (LARGEST_BYTES + 1)), "it has more than 8 MiB"),
    ],
)
def test_what_is_no_file_of_a_usual_size_is_refused_at_once(tmp_path: Path, make, why: str) -> None:
    folder = model(tmp_path / "m", None, "1/model.py")
    make(folder / "config.pbtxt")
    assert refusal(read, folder) == f"failed to read text proto from config.pbtxt: {why}"


def test_a_file_that_cannot_be_read_is_refused_without_its_folder(tmp_path: Path, monkeypatch) -> None:
    folder = model(tmp_path / "m", "", "1/model.py")

    def fails(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "open", fails)
    assert refusal(read, folder) == "failed to read text proto from config.pbtxt: Permission denied"


def test_a_folder_that_vanishes_tells_nothing(tmp_path: Path) -> None:
    assert "Could not determine backend for model 'gone'" in refusal(read, tmp_path / "gone")


def test_a_complete_model_is_checked_whole() -> None:
    config = parse_text(f"name: 'm' backend: 'python' version_policy {{ }} {TENSORS}")
    normalise_groups(config)
    check_loaded(config)
    config.input[0].dims[0] = 0
    assert refusal(check_loaded, config).startswith("model input 'IN' dimension must be integer >= 1")
    config.instance_group[0].gpus.append(0)
    assert refusal(check_loaded, config).endswith("has kind KIND_CPU but specifies one or more GPUs")


def test_reading_brings_in_neither_a_compiler_nor_grpc() -> None:
    program = """import sys
import burnish.serve.config.read, burnish.serve.config.check_steps, burnish.serve.config.show
print(*sorted({m.split('.')[0] for m in sys.modules} & {'onnx', 'onnx_ir', 'llvmlite', 'triton', 'grpc'}))"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
