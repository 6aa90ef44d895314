"""Whoever writes the log hears of new settings."""

from __future__ import annotations

from burnish.serve.observe.log_settings import LogSetting, LogSettings


def test_a_new_setting_is_told() -> None:
    settings, told = LogSettings(), []
    settings.on_change.append(told.append)
    settings.setting = LogSetting(info=False)
    assert told == [settings.setting] == [LogSetting(info=False)]
