from pathlib import Path

import pytest

from burnish.serve.config.named_file import named_file
from burnish.serve.config.refusal import ConfigError

FOLDER = Path("/r/m")


@pytest.mark.parametrize(
    ("name", "path"),
    [("a.txt", "/r/m/a.txt"), ("../n/a.txt", "/r/n/a.txt"), ("warmup/../a.txt", "/r/m/a.txt"), ("/r/m/a", "/r/m/a")],
)
def test_files_lie_in_the_repository(name, path):
    assert named_file(FOLDER, name) == Path(path)


@pytest.mark.parametrize("name", ["../../a", "/etc/passwd", "warmup/../../../a", "/r2/a"])
def test_others_are_refused(name):
    with pytest.raises(ConfigError, match="lies outside the model repository"):
        named_file(FOLDER, name)
