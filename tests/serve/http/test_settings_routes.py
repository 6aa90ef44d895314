"""Trace and log settings. The words were asked of a real Triton 2.51."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.serve.http.asking import ask, send, told
from tests.serve.http.fake_core import Running

JSON = "application/json"
TRACE = {
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_file": "",
    "trace_mode": "triton",
}
LOG = {
    "log_file": "",
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({}, {}),
        ([], {}),
        ({"trace_level": ["NOPE"], "nope": "1"}, {}),
        ({"trace_level": ["OFF"]}, {}),
        ({"trace_level": None, "trace_rate": None}, {}),
        ({"trace_rate": "12abc", "trace_count": "5", "log_frequency": " 7"},
         {"trace_rate": "12", "trace_count": "5", "log_frequency": "7"}),
        ({"trace_rate": "-5"}, {"trace_rate": "4294967291"}),
    ],
)  # fmt: skip
def test_trace_settings_are_changed_and_shown(body: Any, change: dict[str, Any]) -> None:
    assert json.loads(ask("GET", "/v2/trace/setting").body) == TRACE
    assert json.loads(ask("POST", "/v2/models/identity/trace/setting", body).body) == TRACE | change


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("", 500, "failed to parse the request JSON buffer: The document is empty. at 0"),
        ({"trace_file": "x"}, 501, "trace file location can not be updated through network protocol"),
        ({"trace_level": "OFF"}, 500, "attempt to access JSON non-array as array"),
        ({"trace_level": ["OFF", "TENSORS"]}, 400, "Expect only one trace level 'OFF' is specified"),
        ({"trace_level": ["OFF", 3]}, 400, "Expect only one trace level 'OFF' is specified"),
        ({"trace_level": [3, "OFF"]}, 500, "attempt to access JSON non-string as string"),
        ({"trace_level": ["TENSORS"]}, 400, "Attempting to set invalid trace setting :trace file name is not given"),
        ({"trace_rate": 5}, 500, "attempt to access JSON non-string as string"),
        ({"trace_rate": "abc"}, 400, "Unable to parse 'trace_rate', got: abc"),
        (
            {"trace_rate": "99999999999"},
            400,
            "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: 99999999999",
        ),
        ({"trace_count": "-2"}, 400, "Unable to parse 'trace_count'. Expecting value >= -1, got:-2"),
    ],
)
def test_trace_settings_that_are_wrong_are_refused(body: Any, status: int, message: str) -> None:
    assert told(ask("POST", "/v2/trace/setting", body)) == (status, JSON, message)


def test_an_unknown_model_has_no_trace_setting() -> None:
    assert told(ask("GET", "/v2/models/nosuch/trace/setting")) == (400, JSON, "Request for unknown model : nosuch")
    assert ask("GET", "/v2/models/identity/versions/1/trace/setting").status == 404


def test_log_settings_are_changed_and_shown() -> None:
    async def main() -> None:
        async with Running() as running:
            assert json.loads((await send(running, "GET", "/v2/logging")).body) == LOG
            body = {"log_info": False, "log_verbose_level": 2**32 + 1, "log_format": "ISO8601", "log_error": None}
            answer = await send(running, "POST", "/v2/logging", body)
            assert json.loads(answer.body) == LOG | {
                "log_info": False,
                "log_verbose_level": 1,
                "log_format": "ISO8601",
            }
            await send(running, "POST", "/v2/logging", {"log_warning": False, "log_error": 3})
            assert json.loads((await send(running, "GET", "/v2/logging")).body)["log_warning"] is False
            answer = await send(running, "POST", "/v2/logging", {"log_verbose_level": 2**32 - 1})
            assert json.loads(answer.body)["log_verbose_level"] == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 500, "failed to parse the request JSON buffer: Missing a name for object member. at 1"),
        ({"log_file": "x"}, 501, "log file location can not be updated through network protocol"),
        ({"log_info": "false"}, 500, "attempt to access JSON non-boolean as boolean"),
        ({"log_verbose_level": -1}, 500, "attempt to access JSON non-unsigned-integer as unsigned-integer"),
        ({"log_format": "xml"}, 503, "invalid argument for --log_format, got: xml"),
    ],
)
def test_log_settings_that_are_wrong_are_refused(body: Any, status: int, message: str) -> None:
    assert told(ask("POST", "/v2/logging", body)) == (status, JSON, message)
