import pytest

from burnish.serve.repository.folders import Folders, signature
from burnish.serve.status import ServeError


def test_models_are_the_folders_of_all_repositories(tmp_path):
    for path in ("a/one", "a/.hidden", "b/two"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "a" / "file").touch()
    folders = Folders([tmp_path / "a", tmp_path / "b", tmp_path / "gone"])
    assert folders.names() == ["one", "two"]
    assert folders.find("two") == tmp_path / "b" / "two"
    assert folders.find("three") is None


@pytest.mark.parametrize("name", ["", ".", "..", "../b", "one/..", "/etc", ".hidden", "a\0b"])
def test_a_name_that_leads_elsewhere_is_no_model(tmp_path, name):
    (tmp_path / "a" / "one").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    assert Folders([tmp_path / "a"]).find(name) is None


def test_a_name_that_two_repositories_have_is_refused(tmp_path):
    for root in ("a", "b"):
        (tmp_path / root / "one").mkdir(parents=True)
    with pytest.raises(ServeError, match="ambiguous"):
        Folders([tmp_path / "a", tmp_path / "b"]).find("one")


def test_a_signature_changes_with_any_file_of_the_model(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.py").write_text("a")
    first = signature(tmp_path)
    assert signature(tmp_path) == first
    (tmp_path / "1" / "model.py").write_text("ab")
    second = signature(tmp_path)
    (tmp_path / "config.pbtxt").touch()
    assert len({first, second, signature(tmp_path)}) == 3
