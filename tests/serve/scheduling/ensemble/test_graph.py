from burnish.serve.request import NEWEST
from burnish.serve.scheduling.ensemble.graph import ensemble_graph
from tests.serve.scheduling.ensemble.models import ensemble, step
from tests.serve.scheduling.fakes import config

FORK = ensemble(step("a", "A=X", "B=y C=unused"), step("b", "A=y", "B=Z"), step("c", "A=y B=y", "B=W"), outputs="Z W")


def test_steps_are_read_with_their_maps_and_versions():
    graph = ensemble_graph(config(FORK.replace("model_version: -1", "model_version: 3", 1)))
    assert [(s.model, s.version, s.inputs, s.outputs) for s in graph.steps[:2]] == [
        ("a", 3, (("A", "X"),), {"B": "y", "C": "unused"}),
        ("b", NEWEST, (("A", "y"),), {"B": "Z"}),
    ]
    assert graph.output_dims == {"Z": (2,), "W": (2,)}


def test_only_steps_that_the_wanted_outputs_need_are_run():
    part = ensemble_graph(config(FORK)).part(("Z",))
    assert {n: [s.model for s in readers] for n, readers in part.readers.items()} == {
        "X": ["a"], "y": ["b"], "unused": [], "Z": [],
    }  # fmt: skip


def test_uses_are_counted_by_input_and_output():
    assert ensemble_graph(config(FORK)).part(()).uses == {"X": 1, "y": 3, "unused": 0, "Z": 1, "W": 1}


def test_optional_inputs_are_known():
    text = 'input { name: "X" optional: true } input { name: "Y" } ensemble_scheduling { }'
    assert ensemble_graph(config(text)).optional == ("X",)
