import numpy as np
import pytest

from burnish.serve.scheduling.sequences.implicit_state import state_rule
from burnish.serve.status import ServeError, invalid
from tests.serve.scheduling.fakes import config, tensor
from tests.serve.scheduling.sequences.bench import Bench

STATE = 'state { input_name: "S" output_name: "NEXT" data_type: TYPE_FP32 dims: [ -1, 2 ] }'
INITIAL = """state { input_name: "S" output_name: "NEXT" data_type: TYPE_FP32 dims: [ 2 ]
    initial_state { name: "first" data_type: TYPE_FP32 dims: [ 2 ] data_file: "one" } }"""


def add_up(job):
    total = job.request.inputs["S"].data + job.request.inputs["IN"].data
    return [tensor("NEXT", total), tensor("OUT", total)]


def stateful(strategy, state=INITIAL, rows=2):
    bench = Bench(strategy, rows, more=state, read_file=lambda name: np.array([10, 20], np.float32).tobytes())
    bench.instance._outputs_of = add_up
    return bench


def inputs(*values):
    return {"IN": tensor("IN", np.array([values], np.float32))}


@pytest.mark.parametrize("strategy", ["direct { }", "oldest { max_candidate_sequences: 3 }"])
def test_each_sequence_goes_on_from_what_its_last_request_left(strategy):
    bench = stateful(strategy)
    answers = [
        bench.submit("", key, flags, inputs=inputs(key, 0))[1]
        for key, flags in ((1, "s"), (2, "s"), (1, ""), (2, ""), (1, "e"), (1, "s"))
    ]
    bench.end_all()
    assert [a[0].outputs[-1].data.tolist() for a in answers] == [
        [[11, 20]], [[12, 20]], [[12, 20]], [[14, 20]], [[13, 20]], [[11, 20]],
    ]  # fmt: skip


def test_a_state_output_is_no_answer_unless_the_configuration_lists_it():
    bench = stateful("direct { }")
    _, answers = bench.submit("a", 1, "s", inputs=inputs(0, 0))
    bench.end_all()
    assert [t.name for t in answers[0].outputs] == ["OUT"]
    made = config('output { name: "NEXT" } sequence_batching { ' + STATE + " }")
    assert state_rule(made, lambda name: b"").hidden == frozenset()


def test_starting_again_without_an_end_forgets_the_state():
    bench = stateful("direct { }")
    bench.submit("", 1, "s", inputs=inputs(5, 5))
    _, answers = bench.submit("", 1, "s", inputs=inputs(0, 0))
    bench.end_all()
    assert answers[0].outputs[0].data.tolist() == [[10, 20]]


def test_a_failed_run_leaves_the_state_as_it_was():
    bench = stateful("direct { }")
    bench.submit("", 1, "s", inputs=inputs(1, 0))
    _, failed = bench.submit("bad", 1, inputs=inputs(1, 0))
    _, answers = bench.submit("", 1, inputs=inputs(1, 0))
    bench.instance._error_of = lambda job: invalid("no") if job.request.id == "bad" else None
    bench.end_all()
    assert failed[0].error is not None
    assert answers[0].outputs[0].data.tolist() == [[12, 20]]


def test_without_an_initial_value_a_sequence_starts_with_zeros_and_1_for_a_free_dimension():
    rule = state_rule(config("max_batch_size: 4 sequence_batching { " + STATE + " }"), lambda name: b"")
    assert rule.initial["S"].data.tolist() == [[[0.0, 0.0]]]
    rule = state_rule(config("sequence_batching { " + STATE + " }"), lambda name: b"")
    assert rule.initial["S"].shape == (1, 2)


def test_zeros_of_strings_are_empty():
    state = """state { input_name: "S" output_name: "NEXT" data_type: TYPE_STRING dims: [ 2 ]
        initial_state { name: "first" data_type: TYPE_STRING dims: [ 2 ] zero_data: true } }"""
    rule = state_rule(config("sequence_batching { " + state + " }"), lambda name: b"")
    assert rule.initial["S"].data.tolist() == [b"", b""]


def test_a_file_is_read_from_the_folder_of_initial_states_and_has_the_right_length():
    asked = []
    Bench(more=INITIAL, read_file=lambda name: asked.append(name) or bytes(8))
    assert asked == ["initial_state/one"]
    with pytest.raises(ServeError, match="must hold 8 bytes, and holds 5"):
        Bench(more=INITIAL, read_file=lambda name: b"12345")
    with pytest.raises(ServeError, match="no file initial_state/one"):
        Bench(more=INITIAL)
