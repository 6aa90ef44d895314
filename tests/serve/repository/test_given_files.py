import base64
import tempfile

import pytest

from burnish.serve.repository.given_files import write_files
from burnish.serve.status import Code, ServeError


@pytest.fixture(autouse=True)
def _folder_of_the_test(tmp_path, monkeypatch):
    """The folders that the tests ask for lie where pytest removes them."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_files_are_written_into_a_folder_of_the_models_name():
    folder = write_files("m", {"1/model.py": b"x", "labels.txt": base64.b64encode(b"a").decode(), "odd": "!"})
    assert folder.name == "m"
    assert (folder / "1" / "model.py").read_bytes() == b"x"
    assert (folder / "labels.txt").read_bytes() == b"a"
    assert (folder / "odd").read_bytes() == b""  # as Triton: what is no base64 is an empty file


def test_a_slash_in_front_means_the_models_folder():
    folder = write_files("m", {"/1/model.py": b"x"})
    assert (folder / "1" / "model.py").read_bytes() == b"x"


@pytest.mark.parametrize("path", ["../x", "1/../../x", "", "/"])
def test_a_file_outside_the_models_folder_is_refused_in_tritons_words_and_the_log_says_why(path, caplog):
    with pytest.raises(ServeError, match="failed to load 'm', failed to poll from model repository") as caught:
        write_files("m", {path: b""})
    assert caught.value.code is Code.INTERNAL
    assert f"the file '{path}' would lie outside the model's folder" in caplog.text
