from __future__ import annotations

import pytest

from burnish.cli.tritonserver.read_flags import read_flags
from burnish.cli.tritonserver.trace_flags import telemetry_of, trace_setting
from burnish.errors import UserError


def test_the_new_and_the_old_spelling_say_the_same():
    new = [
        "level=TIMESTAMPS", "level=tensors", "rate=10", "count=5", "triton,file=/f", "triton,log-frequency=3",
    ]  # fmt: skip
    old = [
        "--trace-level=TIMESTAMPS", "--trace-level=TENSORS", "--trace-rate=10", "--trace-count=5", "--trace-file=/f",
        "--trace-log-frequency=3",
    ]  # fmt: skip
    found = trace_setting(read_flags([f"--trace-config={text}" for text in new]))
    assert found == trace_setting(read_flags(old))
    assert (found.levels, found.rate, found.count) == (("TIMESTAMPS", "TENSORS"), 10, 5)
    assert (found.file, found.log_frequency, found.mode) == ("/f", 3, "triton")


def test_nothing_is_traced_unless_a_level_is_given():
    assert trace_setting(read_flags([])).levels == ()
    assert trace_setting(read_flags(["--trace-level=OFF"])).levels == ()


def test_open_telemetry_has_an_address_and_resources():
    words = ["mode=opentelemetry", "opentelemetry,url=http://h/v1", "opentelemetry,resource=service.name=x"]
    given = read_flags([f"--trace-config={text}" for text in [*words, "opentelemetry,bsp_max_queue_size=9"]])
    assert trace_setting(given).mode == "opentelemetry"
    found = telemetry_of(given)
    assert (found.url, found.resource, found.bsp_max_queue_size) == ("http://h/v1", {"service.name": "x"}, 9)


@pytest.mark.parametrize(
    "text",
    ["mode=zipkin", "level=SOME", "rate=x", "file=/f", "triton,url=u", "nothing", "opentelemetry,resource=x"],
)
def test_a_setting_that_there_is_not_is_refused(text):
    given = read_flags([f"--trace-config={text}"])
    with pytest.raises(UserError, match="E648"):
        trace_setting(given)
        telemetry_of(given)
