"""Configurations that the tests start from, and the words in which one is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from burnish.serve.config.check import check_config
from burnish.serve.config.normalise import normalise
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

SHARED = Path(__file__).parents[4] / "shared" / "triton_cases"

TENSORS = """
input [ { name: "IN" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 3 ] } ]
"""


def config_of(text: str = "", **fields: Any) -> pb.ModelConfig:
    """A Python model `m` with one input and one output, and what the text adds; normalised."""
    config = parse_text(f'name: "m" backend: "python" max_batch_size: 4 {TENSORS} {text}')
    for name, value in fields.items():
        setattr(config, name, value)
    normalise(config)
    return config


def refusal(call: Callable[..., object], *arguments: Any) -> str:
    """The message of the refusal that a call ends in."""
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return caught.value.message


def refused(text: str, **fields: Any) -> str:
    """Why `check_config` refuses what the text adds."""
    return refusal(check_config, config_of(text, **fields))


def ensemble_of(steps: str, more: str = "", inputs: str = "X", outputs: str = "Z") -> pb.ModelConfig:
    """An ensemble `e` of int32 vectors; steps as `model(input=tensor, ...) -> (output=tensor, ...)`, a line each."""
    config = parse_text(f'name: "e" platform: "ensemble" max_batch_size: 4 {more}')
    for name in inputs.split():
        config.input.add(name=name, data_type=pb.TYPE_INT32, dims=[4])
    for name in outputs.split():
        config.output.add(name=name, data_type=pb.TYPE_INT32, dims=[4])
    config.ensemble_scheduling.SetInParent()
    for line in steps.strip().splitlines():
        read, _, written = line.partition("->")
        model, _, read = read.strip().partition("(")
        step = config.ensemble_scheduling.step.add(model_name=model, model_version=-1)
        for part, target in ((read, step.input_map), (written, step.output_map)):
            for pair in part.strip(" ()").split(","):
                if pair.strip():
                    key, _, value = pair.strip().partition("=")
                    target[key] = value
    normalise(config)
    return config
