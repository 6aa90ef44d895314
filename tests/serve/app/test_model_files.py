from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.serve.app.model_files import repositories_of


def test_a_file_is_a_model_of_its_name_and_its_folder_of_links_goes_at_the_end(tmp_path):
    (tmp_path / "a.plan").write_bytes(b"plan")
    (tmp_path / "r" / "m" / "1").mkdir(parents=True)
    with repositories_of([tmp_path / "a.plan", tmp_path / "r"]) as (given, links):
        assert given == tmp_path / "r"
        assert (links / "a" / "1" / "model.plan").read_bytes() == b"plan"
    assert not links.exists()
    assert (tmp_path / "a.plan").exists()


def test_external_data_of_an_onnx_file_comes_along_and_nothing_else(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"..location..weights.bin..")
    for name in ("weights.bin", "other.bin"):
        (tmp_path / name).write_bytes(b"w")
    with repositories_of([tmp_path / "m.onnx"]) as (links,):
        assert sorted(p.name for p in (links / "m" / "1").iterdir()) == ["model.onnx", "weights.bin"]


@pytest.mark.parametrize("name", ["m.txt", "m"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="E641"), repositories_of([tmp_path / name]):
        pass


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("m.plan", "m.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="E641"), repositories_of([tmp_path / "m.plan", tmp_path / "m.onnx"]):
        pass


@pytest.mark.parametrize("inside", ["1", "config.pbtxt"])
def test_a_model_where_a_repository_belongs_is_refused_with_the_folder_above(tmp_path, inside):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / inside).mkdir() if inside == "1" else (tmp_path / "m" / inside).touch()
    with pytest.raises(UserError, match="E640") as refused, repositories_of([tmp_path / "m"]):
        pass
    assert str(tmp_path) in refused.value.hint


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="E640"), repositories_of([tmp_path / "none"]):
        pass
