from __future__ import annotations

import json
import logging

import pytest

from burnish.cli.serve.log import log_to_stderr


@pytest.fixture(autouse=True)
def as_it_was():
    logger = logging.getLogger("burnish")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_json_is_one_object_a_line_with_the_traceback_inside(capsys):
    log_to_stderr("json")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("burnish.serve").exception("a\nmessage of %d", 2)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("error", "burnish.serve", "a\nmessage of 2")
    assert found["exception"].endswith("ValueError: why") and found["time"].endswith("Z")


def test_text_is_a_time_a_level_and_the_message(capsys):
    log_to_stderr("text")
    logging.getLogger("burnish.serve").info("ready")
    assert capsys.readouterr().err.split()[1:] == ["INFO", "ready"]
