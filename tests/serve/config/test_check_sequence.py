from __future__ import annotations

import pytest

from burnish.serve.config.check_sequence import check_sequence, check_states
from tests.serve.config.configs import config_of, refusal, refused


def control(*controls: str) -> str:
    inputs = "".join(f"control_input {{ {c} }} " for c in controls)
    return f"sequence_batching {{ {inputs} }}"


START = "name: 'S' control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] }"
CORRID = "name: 'C' control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (control("name: ''"), "sequence batching control tensor must have a name for m"),
        (control(START, START), "sequence batching control tensor 'S' is specified for multiple control kinds for m"),
        (
            control(START, START.replace("'S'", "'T'")),
            "sequence batching specifies multiple CONTROL_SEQUENCE_START tensors for m",
        ),
        (
            control("name: 'S' control { }"),
            "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for "
            "CONTROL_SEQUENCE_START for m",
        ),
        (
            control(START.replace("START", "END").replace("]", "] bool_false_true: [ false, true ]")),
            "sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and "
            "'bool_false_true' for CONTROL_SEQUENCE_END for m",
        ),
        (
            control("name: 'S' control { kind: CONTROL_SEQUENCE_READY fp32_false_true: [ 0 ] }"),
            "sequence batching control 'fp32_false_true' must have exactly 2 entries for CONTROL_SEQUENCE_READY for m",
        ),
        (
            control(CORRID.replace("TYPE_UINT64", "TYPE_FP32")),
            "unexpected data type for control CONTROL_SEQUENCE_CORRID for m. Allowed data types are TYPE_UINT64, "
            "TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING",
        ),
        (
            control(CORRID.replace("}", "int32_false_true: [ 0, 1 ] }")),
            "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for "
            "CONTROL_SEQUENCE_CORRID for m",
        ),
        (
            control(CORRID, CORRID.replace("'C'", "'D'")),
            "sequence batching specifies multiple CONTROL_SEQUENCE_CORRID tensors for m",
        ),
        (
            "sequence_batching { oldest { preferred_batch_size: 0 } }",
            "sequence batching preferred batch size must be positive for m",
        ),
        (
            "sequence_batching { oldest { preferred_batch_size: 5 } }",
            "sequence batching preferred batch size must be <= max batch size for m",
        ),
        (
            "sequence_batching { direct { minimum_slot_utilization: 1.5 } }",
            "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m",
        ),
        (
            "sequence_batching { direct { minimum_slot_utilization: nan } }",
            "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m",
        ),
        (
            "sequence_batching { } response_cache { enable: true }",
            "Response Cache does not currently support model m with sequence batching scheduler. Please disable the "
            "response cache.",
        ),
    ],
)
def test_controls_and_strategies_are_refused_in_tritons_words(text: str, why: str) -> None:
    assert refused(text) == why


def test_all_controls_together_are_accepted() -> None:
    end = START.replace("START", "END").replace("'S'", "'E'").replace("int32_false_true", "fp32_false_true")
    ready = "name: 'R' control { kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ] }"
    for kind in ("UINT64", "INT64", "UINT32", "INT32", "STRING"):
        check_sequence(config_of(control(START, end, ready, CORRID.replace("UINT64", kind))))


STATE = "input_name: 'i' output_name: 'o' data_type: TYPE_FP32 dims: [ 2, -1 ]"
INITIAL = "name: 'z' data_type: TYPE_FP32 dims: [ 2, 3 ] zero_data: true"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (
            f"{STATE} initial_state {{ {INITIAL} }} initial_state {{ {INITIAL} }}",
            "initial_state field for state input 'i' must contain exactly one or zero element. Found '2' elements.",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace('FP32', 'INT8')} }}",
            "The data type used for 'initial_state' field of state 'i' does not match the state data type.",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL[len('name: 0z0') :]} }}",
            "Field 'name' must be set when using initial_state for state input 'i'.",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace(', 3', '')} }}",
            "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input "
            "'i'. 1 != 2",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace('3 ]', '-1 ]')} }}",
            "'initial_state' field for state input name 'i' contains variable dimensions.",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace('[ 2, 3 ]', '[ 4, 3 ]')} }}",
            "'initial_state' dim for input name 'i' doesn't match 'state' dim description. 4 != 2",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace('3 ]', '-3 ]')} }}",
            "'initial_state' field for state input name 'i' has the dimension -3",
        ),
        (
            f"{STATE} initial_state {{ {INITIAL.replace('zero_data: true', '')} }}",
            "initial_state setting expects state'i' to have state_data set",
        ),
    ],
)
def test_initial_states_are_refused_in_tritons_words(state: str, why: str) -> None:
    assert refusal(check_states, config_of(f"sequence_batching {{ state {{ {state} }} }}")) == why


def test_a_state_with_two_initial_values_in_two_entries_is_refused() -> None:
    state = f"state {{ {STATE} initial_state {{ {INITIAL} }} }}"
    assert refusal(check_states, config_of(f"sequence_batching {{ {state} {state} }}")) == (
        "State input name 'i' specified more than once."
    )


def test_states_with_and_without_initial_values_are_accepted() -> None:
    file = INITIAL.replace("zero_data: true", "data_file: 'zeros'")
    other = STATE.replace("'i'", "'j'")
    text = f"state {{ {STATE} }} state {{ {other} initial_state {{ {file} }} }}"
    check_states(config_of(f"sequence_batching {{ {text} }}"))


def test_a_state_without_a_type_is_refused() -> None:
    text = "sequence_batching { state { input_name: 'i' output_name: 'o' dims: 1 } }"
    assert refusal(check_states, config_of(text)) == "state 'i' must specify 'data_type' for m"
