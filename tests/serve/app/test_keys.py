from __future__ import annotations

import hashlib
import logging

import pytest

from burnish.errors import UserError
from burnish.serve.app.keys import Keys


def line(role: str, key: str, name: str = "") -> str:
    return f"{role} sha256:{hashlib.sha256(key.encode()).hexdigest()} {name}\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# keys\n\n" + line("admin", "root", "operations") + line("infer", "app"))
    return path


def test_a_key_has_the_role_of_its_line(file):
    keys = Keys(file)
    assert [keys.role(key) for key in (b"root", b"app", b"other", b"")] == ["admin", "infer", None, None]


def test_the_file_is_read_again_when_it_changes(file):
    time = [0.0]
    keys = Keys(file, lambda: time[0])
    file.write_text(line("infer", "new"))
    assert keys.role(b"new") is None  # not looked at yet
    time[0] = 2.0
    assert (keys.role(b"new"), keys.role(b"root")) == ("infer", None)


@pytest.mark.parametrize("change", ["broken", "gone"])
def test_a_file_that_cannot_be_read_any_more_changes_nothing_and_the_log_says_so(file, caplog, change):
    time = [0.0]
    keys = Keys(file, lambda: time[0])
    file.unlink() if change == "gone" else file.write_text("infer my-secret-key\n")
    time[0] = 2.0
    with caplog.at_level(logging.ERROR, "burnish.serve"):
        logging.getLogger("burnish").propagate = True
        assert keys.role(b"root") == "admin"
    assert "stay as they were" in caplog.text
    assert "my-secret-key" not in caplog.text


@pytest.mark.parametrize("text", ["infer secret", "owner sha256:" + "0" * 64, "infer sha256:00", "infer"])
def test_a_line_that_is_no_key_is_refused_by_its_number_and_not_shown(tmp_path, text):
    path = tmp_path / "keys"
    path.write_text("# first\n" + text + "\n")
    with pytest.raises(UserError, match=r"E649.*line 2") as refused:
        Keys(path)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"E649.*none"):
        Keys(tmp_path / "none")
