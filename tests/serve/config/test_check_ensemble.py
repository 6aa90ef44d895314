from __future__ import annotations

import pytest

from burnish.serve.config.check import check_config
from burnish.serve.config.check_ensemble import check_ensemble
from tests.serve.config.configs import ensemble_of, refusal

NOT_WRITTEN = "output 'Z' for ensemble 'e' is not written: at least one of its depending tensors"
CHAIN = "a(A=X) -> (B=t)\nb(A=t) -> (B=Z)"


@pytest.mark.parametrize(
    "steps",
    [
        "a(A=X) -> (B=Z)",
        CHAIN,
        "b(A=t) -> (B=Z)\na(A=X) -> (B=t)",
        "a(A=X) -> (B=t,C=u)\nb(A=t,B=u) -> (B=Z)",
        "a(A=X,B=X) -> (B=Z)",
        "a(A=X) -> (B=t)\na(A=t) -> (B=Z)\nb(A=Z) -> (B=w)\nb(A=w) -> (B=Y)",
    ],
)
def test_steps_that_lead_from_inputs_to_outputs_are_accepted_in_any_order(steps: str) -> None:
    check_config(ensemble_of(steps, outputs="Z Y" if "Y" in steps else "Z"))


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("", "must specify 'step' for ensemble 'e'"),
        ("(A=X) -> (B=Z)", "must specify 'model_name' in step 0 of ensemble 'e'"),
        ("a() -> (B=Z)", "must specify 'input_map' in step 0 of ensemble 'e'"),
        ("a(A=X) -> (B=Z)\nb(A=X) -> ()", "must specify 'output_map' in step 1 of ensemble 'e'"),
        (
            "a(A=X) -> (B=Z)\nb(A=X) -> (B=Z)",
            "ensemble tensor 'Z' can appear in an output map only once for ensemble 'e' step 1",
        ),
        ("a(A=Y) -> (B=Z)", "ensemble input 'X' for ensemble e is not used"),
        ("a(A=X) -> (B=Y)", "ensemble output 'Z' for ensemble e is not used"),
        ("a(A=X) -> (B=Z,C=spare)", "ensemble tensor 'spare' is unused in ensemble 'e'"),
        (
            "a(A=X,B=lost) -> (B=t)\nb(A=t) -> (B=Z)",
            NOT_WRITTEN + ", 'lost', is not connected",
        ),
        (
            "a(A=X,B=Z) -> (B=t)\nb(A=t) -> (B=Z)",
            "output 'Z' for ensemble 'e' is not written: steps wait for each other's outputs",
        ),
        ("a(A=X) -> (B=Z)\nb(A=Z,B=lost) -> (B=t)", "ensemble tensor 't' is unused in ensemble 'e'"),
    ],
)
def test_a_data_flow_with_a_gap_is_refused(steps: str, why: str) -> None:
    assert refusal(check_ensemble, ensemble_of(steps)) == why


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("instance_group { }", "instance group should not be specified for ensemble 'e'"),
        ("optimization { }", "optimization should not be specified for ensemble 'e'"),
        ("model_warmup { }", "model_warmup can not be specified for ensemble 'e'"),
    ],
)
def test_what_belongs_to_models_is_refused_in_an_ensemble(more: str, why: str) -> None:
    assert refusal(check_ensemble, ensemble_of(CHAIN, more)) == why


def test_a_platform_of_another_name_is_refused() -> None:
    config = ensemble_of(CHAIN)
    config.platform = "other"
    assert refusal(check_ensemble, config) == (
        "ensemble scheduling cannot be set for model 'e' whose platform is not ensemble"
    )


def test_a_long_circle_ends() -> None:
    steps = "\n".join(f"a(A=t{i}) -> (B=t{i + 1})" for i in range(50))
    message = refusal(check_ensemble, ensemble_of(f"a(A=X,B=t50) -> (B=t0)\n{steps}\nb(A=t50) -> (B=Z)"))
    assert message.startswith("output 'Z' for ensemble 'e' is not written")
