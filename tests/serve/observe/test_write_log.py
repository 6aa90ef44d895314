"""Log lines in each form, and settings that apply at once."""

import json
import logging
import re
from dataclasses import replace

import pytest

from burnish.serve.observe.log_settings import LogSetting, LogSettings
from burnish.serve.observe.write_log import WriteLog

log = logging.getLogger("burnish.serve")


@pytest.fixture
def settings(tmp_path):
    settings = LogSettings(LogSetting(file=str(tmp_path / "log")))
    writer = WriteLog(settings)
    yield settings
    writer.close()


class Closed:
    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def lines(settings):
    with open(settings.setting.file, encoding="utf-8") as file:
        return file.read().splitlines()


def test_the_default_form_is_tritons(settings):
    log.info('said "%s"\nand more', "hello")
    (line,) = lines(settings)
    assert re.fullmatch(r'I\d{4} \d\d:\d\d:\d\d\.\d{6} \d+ test_write_log.py:\d+\] "said \\"hello\\"\\nand more"', line)


def test_iso_times_and_json_lines_are_forms_that_can_be_changed_to(settings):
    settings.setting = replace(settings.setting, format="ISO8601")
    log.warning("one")
    settings.setting = replace(settings.setting, format="json")
    log.error("two", extra={"fields": {"request_id": "r7", "total_us": 12}})
    iso, text = lines(settings)
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ W \d+ test_write_log.py:\d+\] "one"', iso)
    found = json.loads(text)
    assert (found["level"], found["message"], found["request_id"], found["total_us"]) == ("error", "two", "r7", 12)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["time"])


def test_the_form_for_people_is_a_time_a_level_and_the_message(settings):
    settings.setting = replace(settings.setting, format="text")
    log.info("ready")
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO ready", *lines(settings))


def test_an_exception_is_part_of_its_line(settings):
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("first")
        settings.setting = replace(settings.setting, format="json")
        log.exception("second")
    plain, text = lines(settings)
    assert "first" in plain and "ValueError: broken" in plain
    assert "ValueError: broken" in json.loads(text)["exception"]


@pytest.mark.parametrize("off", ["info", "warning", "error"])
def test_each_level_is_switched_for_itself(settings, off):
    settings.setting = replace(settings.setting, **{off: False})
    for level in ("info", "warning", "error"):
        getattr(log, level)(level)
    found = "".join(lines(settings))
    assert [level for level in ("info", "warning", "error") if f'"{level}"' not in found] == [off]


def test_debugging_begins_with_verbose_level_two(settings):
    settings.setting = replace(settings.setting, verbose_level=1)
    log.debug("one")
    settings.setting = replace(settings.setting, verbose_level=2)
    log.debug("two")
    assert [line.rpartition(" ")[2] for line in lines(settings)] == ['"two"']


def test_a_file_that_was_moved_away_is_begun_anew(settings, tmp_path):
    log.info("before")
    (tmp_path / "log").rename(tmp_path / "old")
    log.info("after")
    assert "after" in lines(settings)[0]
    assert "before" in (tmp_path / "old").read_text()


def test_without_a_file_lines_go_to_the_standard_error_and_a_closed_one_harms_nobody(capsys, monkeypatch):
    settings = LogSettings()
    writer = WriteLog(settings)
    try:
        log.info("to the error stream")
        assert "to the error stream" in capsys.readouterr().err
        monkeypatch.setattr(writer._handler, "stream", Closed())
        log.info("lost")
    finally:
        writer.close()
    assert not logging.getLogger("burnish").handlers
