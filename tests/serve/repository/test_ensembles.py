from types import SimpleNamespace

import pytest
from google.protobuf import text_format

from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.repository.ensembles import check_parts, fit_ensembles, is_part_of_any, part_names
from burnish.serve.repository.model import READY, UNAVAILABLE, Model, VersionState
from burnish.serve.status import ServeError


def config(text):
    return text_format.Parse(text, ModelConfig())


def tensors(given, taken):
    return (
        f'input {{ name: "{given}" data_type: TYPE_INT32 dims: 1 }} '
        f'output {{ name: "{taken}" data_type: TYPE_INT32 dims: 1 }}'
    )


def ensemble(name, part, given="X", taken="Y"):
    """Of one step, whose model takes and gives tensors of the names that the ensemble's own have."""
    maps = f'input_map {{ key: "{given}" value: "{given}" }} output_map {{ key: "{taken}" value: "{taken}" }}'
    step = f'ensemble_scheduling {{ step {{ model_name: "{part}" model_version: -1 {maps} }} }}'
    return loaded(f'name: "{name}" platform: "ensemble" {tensors(given, taken)} {step}')


def loaded(text):
    made = config(text)
    return Model(made.name, {1: VersionState(READY, "", SimpleNamespace(config=made, number=1))})


def chain():
    """c is a part of b, which is a part of a."""
    models = [loaded('name: "c" ' + tensors("X", "Y")), ensemble("b", "c"), ensemble("a", "b")]
    return {model.name: model for model in models}


def states(models):
    return {name: (held.state, held.reason) for name, model in models.items() for held in model.versions.values()}


def test_what_needs_a_model_that_is_gone_waits_and_comes_back_with_it():
    models = chain()
    models["c"].versions[1].state = UNAVAILABLE
    fit_ensembles(models, "c")
    assert states(models)["a"] == states(models)["b"] == (UNAVAILABLE, "unloaded")
    models["c"].versions[1].state = READY
    fit_ensembles(models, "c")
    assert states(models)["a"] == states(models)["b"] == (READY, "")


def test_an_ensemble_whose_part_has_other_tensors_now_waits():
    models = chain()
    models["c"] = loaded('name: "c" ' + tensors("X", "OTHER"))
    fit_ensembles(models, "c")
    assert states(models)["b"] == (UNAVAILABLE, "unloaded")


def test_an_ensemble_that_was_unloaded_stays_so():
    models = chain()
    models["b"].versions[1] = VersionState(UNAVAILABLE, "unloaded")
    fit_ensembles(models, "c")
    assert states(models)["b"] == (UNAVAILABLE, "unloaded")


def test_parts_that_are_not_there_are_told():
    made = chain()["b"].versions[1].version.config
    with pytest.raises(ServeError, match="unknown model: 'c' is not found"):
        check_parts(made, {})


def test_a_part_is_known_by_its_name():
    served = [chain()["b"].versions[1].version]
    assert part_names(served[0].config) == {"c"}
    assert is_part_of_any("c", served) and not is_part_of_any("b", served)
