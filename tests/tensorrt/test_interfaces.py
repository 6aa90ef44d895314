"""Loggers filter, reports reach logger and recorder, and a class that lacks a method says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import burnish.tensorrt as trt
from burnish.errors import InternalError, UserError
from burnish.tensorrt.interfaces import report
from tests.tensorrt.run_network import Quiet


def test_a_logger_prints_what_is_at_least_as_severe_as_it_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    logger = trt.Logger(trt.Logger.WARNING)
    for severity in (trt.Logger.ERROR, trt.Logger.WARNING, trt.Logger.INFO, trt.Logger.Severity.VERBOSE):
        logger.log(severity, f"a {severity.name}")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.partition("[Burnish] ")[2] for line in printed.err.splitlines()] == ["[E] a ERROR", "[W] a WARNING"]


def test_the_default_profiler_prints_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    trt.Profiler().report_layer_time("conv", 1.23456)
    assert capsys.readouterr().out == "conv: 1.235ms\n"


class Recorder(trt.IErrorRecorder):
    def __init__(self) -> None:
        trt.IErrorRecorder.__init__(self)
        self.errors: list[tuple[int, str]] = []

    def report_error(self, code: int, desc: str) -> bool:
        self.errors.append((code, desc))
        return True


def test_a_report_reaches_the_logger_and_the_recorder() -> None:
    logger, recorder = Quiet(), Recorder()
    report(logger, UserError("E654", "what " * 40), recorder)
    report(logger, InternalError("E901", "ours"))
    assert [severity for severity, _ in logger.messages] == ["ERROR", "INTERNAL_ERROR"]
    ((code, text),) = recorder.errors
    assert code == 654 and len(text) == recorder.MAX_DESC_LENGTH


UNDEFINED: list[Callable[[], Any]] = [
    lambda: trt.ILogger().log(trt.Logger.ERROR, ""),
    lambda: trt.IProfiler().report_layer_time("", 0),
    lambda: trt.IErrorRecorder().report_error(0, ""),
    lambda: trt.IProgressMonitor().phase_start("", None, 0),
    lambda: trt.IProgressMonitor().step_complete("", 0),
    lambda: trt.IProgressMonitor().phase_finish(""),
    lambda: trt.IOutputAllocator().reallocate_output("", 0, 0, 0),
    lambda: trt.IOutputAllocator().notify_shape("", ()),
]


@pytest.mark.parametrize("call", UNDEFINED)
def test_a_method_that_a_class_does_not_define_is_named(call: Callable[[], Any]) -> None:
    with pytest.raises(UserError, match=r"E651.*does not define"):
        call()
