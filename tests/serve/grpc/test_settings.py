"""Trace and log settings with Triton's own client; the words are those that a real server answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import tritonclient.grpc as client
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from burnish.serve.grpc.service import methods
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.trace_settings import TraceSetting, TraceSettings
from tests.serve.grpc.pretended import PretendedServer, PretendedVersion, identity
from tests.serve.grpc.transport.serving import Serving


@pytest.fixture
def logs() -> LogSettings:
    return LogSettings()


@pytest.fixture
def triton(logs: LogSettings) -> Iterator[client.InferenceServerClient]:
    core = PretendedServer(PretendedVersion("m", 1, identity))
    found = methods(core, traces=TraceSettings(TraceSetting(file="/f")), logs=logs)  # type: ignore[arg-type]
    with Serving(found, prefix="") as serving, client.InferenceServerClient(f"127.0.0.1:{serving.port}") as triton:
        yield triton


def seen(call: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as found:
        call(*arguments)
    return found.value.status().removeprefix("StatusCode."), found.value.message()


def traced(answer: Any) -> dict[str, list[str]]:
    return {name: [*setting.value] for name, setting in answer.settings.items()}


def test_trace_settings_are_the_servers_until_a_model_has_its_own(triton: client.InferenceServerClient) -> None:
    found = traced(triton.get_trace_settings())
    assert found == {
        "trace_level": ["OFF"], "trace_rate": ["1000"], "trace_count": ["-1"], "log_frequency": ["0"],
        "trace_file": ["/f"], "trace_mode": ["triton"],
    }  # fmt: skip
    changed = triton.update_trace_settings("m", {"trace_rate": "7", "trace_level": ["TENSORS", "TIMESTAMPS", "FOO"]})
    assert traced(changed)["trace_level"] == ["TIMESTAMPS", "TENSORS"]
    assert traced(triton.get_trace_settings("m"))["trace_rate"] == ["7"]
    assert traced(triton.get_trace_settings()) == found
    assert traced(triton.update_trace_settings("m", {"trace_rate": None, "trace_level": None})) == found
    assert traced(triton.update_trace_settings("", {"trace_level": ["FOO"], "unknown": "1"})) == found


def test_trace_settings_that_cannot_be_are_refused(triton: client.InferenceServerClient) -> None:
    invalid = "INVALID_ARGUMENT"
    assert seen(triton.get_trace_settings, "nosuch") == (invalid, "Request for unknown model : nosuch")
    words = "Unable to parse 'trace_rate', got: x"
    assert seen(triton.update_trace_settings, "", {"trace_rate": "x"}) == (invalid, words)
    words = "expect only 1 value for 'trace_rate'"
    assert seen(triton.update_trace_settings, "", {"trace_rate": ["1", "2"]}) == (invalid, words)
    words = "trace file location can not be updated through network protocol"
    assert seen(triton.update_trace_settings, "", {"trace_file": "/x"}) == ("UNIMPLEMENTED", words)


def test_log_settings_are_told_and_changed(triton: client.InferenceServerClient, logs: LogSettings) -> None:
    changes = {"log_info": False, "log_verbose_level": 2, "log_format": "ISO8601", "unknown": True}
    found = triton.update_log_settings(changes).settings
    assert (found["log_info"].bool_param, found["log_warning"].bool_param) == (False, True)
    assert (found["log_verbose_level"].uint32_param, found["log_format"].string_param) == (2, "ISO8601")
    assert found["log_file"].string_param == ""
    assert (logs.setting.info, logs.setting.verbose_level, logs.setting.format) == (False, 2, "ISO8601")


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("log_info", {"string_param": "x"}, "INVALID_ARGUMENT", "expect boolean for 'log_info'"),
        ("log_error", {}, "INVALID_ARGUMENT", "expect boolean for 'log_error'"),
        ("log_verbose_level", {"bool_param": True}, "INVALID_ARGUMENT", "expect int32 for 'log_verbose_level'"),
        ("log_format", {"bool_param": True}, "INVALID_ARGUMENT", "expect string for 'log_format'"),
        ("log_format", {"string_param": "foo"}, "INVALID_ARGUMENT", "invalid argument for log_format, got: foo"),
        ("log_file", {}, "UNIMPLEMENTED", "log file location can not be updated through network protocol"),
    ],
)
def test_log_settings_that_cannot_be_are_refused(
    triton: client.InferenceServerClient, name: str, value: dict[str, Any], code: str, words: str
) -> None:
    message = service_pb2.LogSettingsRequest()
    message.settings[name].CopyFrom(service_pb2.LogSettingsRequest.SettingValue(**value))
    with pytest.raises(grpc.RpcError) as found:
        triton._client_stub.LogSettings(message, timeout=5)
    assert (found.value.code().name, found.value.details()) == (code, words)
