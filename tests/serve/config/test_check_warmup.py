from __future__ import annotations

import pytest

from burnish.serve.config.check_warmup import check_warmup
from tests.serve.config.configs import config_of, refusal


def sample(tensor: str, batch: int = 1) -> str:
    return f"model_warmup {{ name: 's' batch_size: {batch} inputs {{ key: 'IN' value {{ {tensor} }} }} }}"


@pytest.mark.parametrize("data", ["zero_data: true", "random_data: true", "input_data_file: 'raw'", "zero_data: false"])
def test_samples_that_say_what_they_hold_are_accepted(data: str) -> None:
    check_warmup(config_of(sample(f"data_type: TYPE_FP32 dims: 3 {data}")))


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (
            "dims: [ 3, -1 ] zero_data: true",
            "warmup setting expects all variable-size dimensions are specified for input 'IN'",
        ),
        ("dims: -2 zero_data: true", "warmup setting has a negative dimension for input 'IN'"),
        ("dims: 3", "[request id: <id_unknown>] warmup setting expects input 'IN' to have input_data_type set"),
    ],
)
def test_samples_that_leave_something_open_are_refused_unless_they_have_no_rows(tensor: str, why: str) -> None:
    assert refusal(check_warmup, config_of(sample(tensor))) == why
    check_warmup(config_of(sample(tensor, batch=0)))
