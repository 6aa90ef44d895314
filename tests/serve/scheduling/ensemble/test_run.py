from itertools import pairwise

import numpy as np
import pytest

from burnish.serve.job import Job
from burnish.serve.request import Response
from burnish.serve.status import Code, ServeError, invalid
from tests.serve.scheduling.ensemble.models import Bench, ensemble, shown, step
from tests.serve.scheduling.fakes import tensor

CHAIN = ensemble(step("double", "A=X", "B=y"), step("add", "A=y B=X", "B=Z"))


def double(arrays):
    return {"B": arrays["A"] * 2}


def add(arrays):
    return {"B": arrays["A"] + arrays["B"]}


def chain(**options):
    return Bench(CHAIN, {"double": double, "add": add}, **options)


def test_steps_run_when_their_inputs_are_there():
    bench = chain()
    _, (answer,) = bench.submit("a", rows=2)
    assert shown(answer) == {"Z": [[0, 3], [6, 9]]}
    assert (answer.model, answer.id, answer.is_final) == ("e", "a", True)


def test_steps_pass_the_requests_words_on():
    bench = chain()
    bench.submit("a", priority=2, timeout_us=5, parameters={"k": 1}, sequence=(7, True, False))
    for model in bench.models.values():
        (request,) = model.requests
        assert (request.id, request.priority, request.timeout_us, request.parameters) == ("a", 2, 5, {"k": 1})
        assert (request.sequence.id, request.sequence.is_start) == (7, True)


@pytest.mark.parametrize(
    "sequence, told",
    [(None, (0, False, False)), ((5, True, False), (5, True, False)), (("key", False, True), ("key", False, True)),
     ((2**64 - 1, False, False), (-1, False, False)), ((2**63, False, False), (-(2**63), False, False))],
)  # fmt: skip
def test_every_answer_tells_its_requests_sequence(sequence, told):
    bench = chain()
    _, (answer,) = bench.submit("a", sequence=sequence)
    assert answer.parameters == dict(zip(("sequence_id", "sequence_start", "sequence_end"), told))


def test_tensors_go_from_step_to_step_without_a_copy():
    bench = chain()
    made = []
    bench.models["double"].outputs_of = lambda arrays: made.append(arrays["A"] * 2) or {"B": made[0]}
    x = np.ones((1, 2), np.float32)
    bench.submit(arrays={"X": x})
    seen = bench.models["add"].requests[0].inputs
    assert seen["A"].data is made[0] and seen["B"].data is x


def test_steps_that_do_not_need_each_other_run_at_the_same_time():
    slow = {"in_place": False}
    bench = Bench(
        ensemble(step("double", "A=X", "B=y"), step("same", "A=X", "B=w"), step("add", "A=y B=w", "B=Z")),
        {"double": {"outputs_of": double, **slow}, "same": {"outputs_of": lambda a: {"B": a["A"]}, **slow}, "add": add},
    )
    _, answers = bench.submit()
    assert bench.models["double"].instance.running and bench.models["same"].instance.running
    bench.models["same"].instance.end()
    assert answers == []
    bench.models["double"].instance.end()
    assert shown(answers[0]) == {"Z": [[0, 3]]}


def test_one_tensor_may_go_into_several_inputs_of_a_step():
    bench = Bench(ensemble(step("add", "A=X B=X", "B=Z")), {"add": add})
    _, (answer,) = bench.submit()
    assert shown(answer) == {"Z": [[0, 2]]}


def test_only_wanted_outputs_are_made():
    text = ensemble(step("double", "A=X", "B=Z"), step("never", "A=X", "B=W"), outputs="Z W")
    bench = Bench(text, {"double": double, "never": lambda arrays: 1 / 0})
    _, (answer,) = bench.submit(wanted=("Z",))
    assert shown(answer) == {"Z": [[0, 2]]}


def test_an_error_of_a_step_is_the_requests_error_and_what_needs_it_does_not_run():
    bench = chain()
    bench.models["double"].error = ServeError(Code.NOT_FOUND, "said on purpose")
    _, (answer,) = bench.submit()
    assert (answer.error.code, answer.error.message) == (Code.NOT_FOUND, "in ensemble 'e', said on purpose")
    assert bench.models["add"].requests == []
    assert bench.seen.events == [("composed", "", ["double"])]


def test_a_step_that_is_refused_or_whose_model_is_gone_fails_the_request():
    bench = chain()
    bench.models["add"].scheduler.close()
    _, (answer,) = bench.submit("a")
    assert answer.error.code is Code.UNAVAILABLE
    assert answer.error.message.startswith("in ensemble 'e', [request id: a] Server is stopping")
    del bench.models["add"]
    _, (answer,) = bench.submit()
    assert answer.error.message == "in ensemble 'e', Request for unknown model: 'add' is not found"


def test_an_error_waits_for_the_steps_that_still_run():
    text = ensemble(step("slow", "A=X", "B=Z"), step("bad", "A=X", "B=W"), outputs="Z W")
    bench = Bench(text, {"slow": {"outputs_of": double, "in_place": False}, "bad": double})
    bench.models["bad"].error = invalid("no")
    _, answers = bench.submit()
    assert answers == []
    bench.models["slow"].instance.end()
    assert len(answers) == 1 and answers[0].error.message == "in ensemble 'e', no"


def test_an_optional_input_that_is_missing_reaches_no_model():
    text = ensemble(step("double", "A=X C=Y", "B=Z"), inputs="X Y").replace('name: "Y"', 'name: "Y" optional: true')
    bench = Bench(text, {"double": double})
    _, (answer,) = bench.submit()
    assert shown(answer) == {"Z": [[0, 2]]}
    assert list(bench.models["double"].requests[0].inputs) == ["A"]


def test_an_output_that_a_model_leaves_out_is_missing_in_the_next_and_in_the_answer():
    text = ensemble(step("some", "A=X", "B=Z C=y"), step("double", "A=Z D=y", "B=W"), outputs="Z W y")
    bench = Bench(text, {"some": lambda arrays: {"B": arrays["A"]}, "double": double})
    _, (answer,) = bench.submit()
    assert shown(answer) == {"Z": [[0, 1]], "W": [[0, 2]]}
    assert list(bench.models["double"].requests[0].inputs) == ["A"]


def test_models_with_and_without_a_batch_dimension_go_together():
    text = ensemble(step("plain", "A=X", "B=y"), step("double", "A=y", "B=Z"))
    plain = {"outputs_of": double, "rows": 0, "text": 'input { name: "A" dims: 2 }'}
    batched = {"outputs_of": double, "text": 'input { name: "A" dims: 2 }'}
    bench = Bench(text, {"plain": plain, "double": batched})
    _, (answer,) = bench.submit()
    assert bench.models["plain"].requests[0].inputs["A"].shape == (2,)
    assert bench.models["double"].requests[0].inputs["A"].shape == (1, 2)
    assert shown(answer) == {"Z": [[0, 4]]}


def test_cancelling_cancels_the_steps_that_wait_and_answers_once():
    text = ensemble(step("double", "A=X", "B=Z"))
    bench = Bench(text, {"double": {"outputs_of": double, "in_place": False}})
    bench.submit("runs")
    job, answers = bench.submit("waits")
    job.cancel()
    assert [a.error.code for a in answers] == [Code.CANCELLED]
    assert bench.models["double"].scheduler.pending == 0
    bench.models["double"].instance.end()
    assert len(answers) == 1


def test_cancelling_while_a_step_runs_runs_no_further_step():
    bench = chain()
    bench.models["double"].instance.in_place = False
    job, answers = bench.submit()
    job.cancel()
    bench.models["double"].instance.end()
    assert [a.error.code for a in answers] == [Code.CANCELLED]
    assert bench.models["add"].requests == []


class Repeating:
    """A decoupled model that answers several times when told."""

    def __init__(self, clock, config):
        self.config, self.replies = config, []

    def submit(self, request, reply):
        self.replies.append(reply)
        return Job(request, "repeat", 1, 1, reply)


def decoupled(text, models):
    bench = Bench(text + " model_transaction_policy { decoupled: true }", models)
    bench.models["repeat"] = Repeating(bench.clock, bench.models.pop("repeat").config)
    return bench


def response(value, is_final=False):
    outputs = None if value is None else [tensor("B", np.full((1, 2), value, np.float32))]
    return Response("repeat", 1, "", outputs, is_final=is_final)


def test_each_answer_of_a_decoupled_step_goes_through_the_rest():
    text = ensemble(step("repeat", "A=X", "B=y"), step("double", "A=y", "B=Z"))
    bench = decoupled(text, {"repeat": double, "double": double})
    _, answers = bench.submit()
    (reply,) = bench.models["repeat"].replies
    reply(response(1))
    reply(response(2))
    reply(response(None, is_final=True))
    assert [shown(a) for a in answers[:-1]] == [{"Z": [[2, 2]]}, {"Z": [[4, 4]]}]
    assert (answers[-1].outputs, answers[-1].is_final) == (None, True)
    assert [a.is_final for a in answers] == [False, False, True]


def test_a_decoupled_ensemble_may_answer_nothing_and_another_may_not():
    text = ensemble(step("repeat", "A=X", "B=Z"))
    bench = decoupled(text, {"repeat": double})
    _, answers = bench.submit()
    bench.models["repeat"].replies[0](response(None, is_final=True))
    assert [(a.outputs, a.error, a.is_final) for a in answers] == [(None, None, True)]
    bench = Bench(text, {"repeat": double})
    bench.models["repeat"] = Repeating(bench.clock, bench.models["repeat"].config)
    _, answers = bench.submit("a")
    bench.models["repeat"].replies[0](response(None, is_final=True))
    assert answers[0].error.message == (
        "in ensemble 'e', [request id: a] unexpected deadlock, at least one output is not set while no more ensemble "
        "steps can be made"
    )


@pytest.mark.parametrize("length", [300])
def test_a_long_chain_of_models_that_run_in_place_does_not_nest(length):
    names = ["X", *(f"t{n}" for n in range(length - 1)), "Z"]
    steps = [step("double", f"A={a}", f"B={b}") for a, b in pairwise(names)]
    bench = Bench(ensemble(*steps), {"double": lambda arrays: {"B": arrays["A"]}})
    _, (answer,) = bench.submit()
    assert shown(answer) == {"Z": [[0, 1]]}
