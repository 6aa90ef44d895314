from __future__ import annotations

import pytest

from burnish.serve.config.check_steps import check_circles, check_step_versions, check_steps
from burnish.serve.config.parse_text import parse_text
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import ensemble_of, refusal


def model(name: str, inputs: str = "A", outputs: str = "B", more: str = "", batch: int = 4) -> pb.ModelConfig:
    """A model of int32 vectors of 4; a name may end in `:TYPE` or in dims, `A:FP32`, `A[3]`, and an input in `?`."""
    config = parse_text(f"name: '{name}' backend: 'python' max_batch_size: {batch} {more}")
    for target, names in ((config.input, inputs), (config.output, outputs)):
        for item in names.split():
            item, _, dims = item.rstrip("?").partition("[")
            item, _, data_type = item.partition(":")
            tensor = target.add(name=item, data_type=pb.DataType.Value(f"TYPE_{data_type or 'INT32'}"))
            tensor.dims.extend(int(d) for d in (dims.rstrip("]") or "4").split(","))
    for tensor in config.input:
        tensor.optional = f"{tensor.name}?" in inputs
    return config


def models(*configs: pb.ModelConfig) -> dict[str, pb.ModelConfig]:
    return {c.name: c for c in configs}


ONE = "a(A=X) -> (B=Z)"
TWO = "a(A=X) -> (B=t)\nb(A=t) -> (B=Z)"
STREAMS = "model_transaction_policy { decoupled: true }"


@pytest.mark.parametrize(
    ("steps", "having"),
    [
        (ONE, [model("a")]),
        (TWO, [model("a"), model("b")]),
        (ONE, [model("a", "A C?")]),
        (ONE, [model("a", "A[-1]", "B[-1]")]),
        (ONE, [model("a", batch=8)]),
        (ONE, [model("a", "A[-1,4]", "B[-1,4]", batch=0)]),
        (TWO, [model("a", outputs="B[7]"), model("b", "A[-1]")]),
    ],
)
def test_models_that_fit_are_accepted_and_the_ensemble_is_not_decoupled(steps: str, having) -> None:
    config = ensemble_of(steps)
    check_steps(config, models(*having))
    assert config.HasField("model_transaction_policy")
    assert not config.model_transaction_policy.decoupled


@pytest.mark.parametrize(
    ("steps", "having", "why"),
    [
        (ONE, [], "ensemble e contains models that are not available or ambiguous: a"),
        (
            ONE,
            [model("a", batch=2)],
            "ensemble e allows maximum batch size 4, but it contains model a which only allows maximum "
            "batch size to be 2",
        ),
        (
            ONE,
            [model("a", "C?")],
            "in ensemble e, ensemble tensor X is mapping to non-existing input A in model a",
        ),
        (ONE, [model("a", "A C")], "in ensemble e, input C in model a is not mapped to any ensemble tensors"),
        (
            ONE,
            [model("a", outputs="C")],
            "in ensemble e, ensemble tensor Z is mapped from non-existing output B in model a",
        ),
        (
            ONE,
            [model("a", "A:FP32")],
            "in ensemble e, ensemble tensor X: inconsistent data type: TYPE_INT32 is inferred from model e while "
            "TYPE_FP32 is inferred from model a",
        ),
        (
            TWO,
            [model("a", outputs="B:FP16"), model("b")],
            "in ensemble e, ensemble tensor t: inconsistent data type: TYPE_FP16 is inferred from model a while "
            "TYPE_INT32 is inferred from model b",
        ),
        (
            ONE,
            [model("a", outputs="B[3]")],
            "in ensemble e, ensemble tensor Z: inconsistent shape: [-1,4] is inferred from model e while [-1,3] is "
            "inferred from model a",
        ),
        (
            ONE,
            [model("a", "A[2,4]", "B[2,4]", batch=0)],
            None,
        ),
        (
            ONE,
            [model("a", "A[4,4,4]", batch=0)],
            "in ensemble e, ensemble tensor X: inconsistent shape: [-1,4] is inferred from model e while [4,4,4] is "
            "inferred from model a",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused_in_tritons_words(steps: str, having, why: str | None) -> None:
    config = ensemble_of(steps)
    if why is None:  # Triton leaves a size that may vary to the request
        check_steps(config, models(*having))
    else:
        assert refusal(check_steps, config, models(*having)) == why


def test_an_ensembles_own_reshape_is_what_its_models_see() -> None:
    config = ensemble_of(ONE)
    config.input[0].dims[:] = [2, 2]
    config.input[0].reshape.shape.extend([4])
    check_steps(config, models(model("a")))


def test_a_decoupled_step_makes_the_ensemble_decoupled() -> None:
    config = ensemble_of(TWO)
    check_steps(config, models(model("a", more=STREAMS), model("b")))
    assert config.model_transaction_policy.decoupled


def test_outputs_of_one_decoupled_step_may_meet_again() -> None:
    steps = "a(A=X) -> (B=t,C=u)\nb(A=t,D=u) -> (B=Z)"
    check_steps(ensemble_of(steps), models(model("a", outputs="B C", more=STREAMS), model("b", "A D")))


@pytest.mark.parametrize(
    ("steps", "outputs", "who"),
    [
        ("a(A=X) -> (B=t)\na(A=X) -> (B=u)\nb(A=t,D=u) -> (B=Z)", "Z", "e"),
        ("a(A=X) -> (B=t)\nb(A=t,D=X) -> (B=Z)", "Z", "e"),
        ("a(A=X) -> (B=Z)\na(A=X) -> (B=Y)", "Z Y", "e"),
    ],
)
def test_answers_of_different_streams_do_not_belong_together(steps: str, outputs: str, who: str) -> None:
    having = models(model("a", more=STREAMS), model("b", "A D"))
    assert refusal(check_steps, ensemble_of(steps, outputs=outputs), having) == (
        f"in ensemble e, step of model '{who}' receives inputs originated from different decoupled models"
    )


def test_a_step_that_names_a_version_needs_that_one() -> None:
    config = ensemble_of(TWO)
    check_step_versions(config, {"a": [1], "b": [1]})
    config.ensemble_scheduling.step[1].model_version = 2
    check_step_versions(config, {"a": [1], "b": [1, 2]})
    assert refusal(check_step_versions, config, {"a": [1, 2], "b": [1]}) == (
        "ensemble 'e' depends on 'b' whose required version 2 is not loaded."
    )


def test_an_ensemble_that_holds_itself_is_refused() -> None:
    outer, inner = ensemble_of("inner(X=X) -> (Z=Z)"), ensemble_of("e(X=X) -> (Z=Z)")
    inner.name = "inner"
    assert refusal(check_circles, outer, models(outer, inner)) == (
        "circular dependency between ensembles: e -> ... -> inner -> e"
    )
    check_circles(outer, models(model("inner")))
