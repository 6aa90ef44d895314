"""The grammar of the manifest covers every field of every class, and reads back what it wrote."""

from __future__ import annotations

import dataclasses
import json

import pytest

from burnish import dims
from burnish.dtypes import DType
from burnish.plan import Plan, codec
from burnish.plan import manifest as m


def test_every_field_of_every_class_is_in_the_grammar(small_plan: Plan) -> None:
    steps = small_plan.manifest.variants[0].steps
    branch = steps[1]
    assert isinstance(branch, m.BranchStep)
    spoken = [
        (codec.manifest, small_plan.manifest),
        (codec.symbol, small_plan.manifest.symbols[0]),
        (codec.tensor, small_plan.manifest.inputs[0]),
        (codec.variant, small_plan.manifest.variants[0]),
        (codec.storage, small_plan.manifest.variants[0].storages[0]),
        (codec.launch, small_plan.manifest.variants[0].launches[0]),
        *((codec.step, s) for s in (steps[0], branch, branch.then[0], steps[2])),
    ]
    for grammar, value in spoken:
        encoded = grammar.encode(value)
        named = {f.name for f in dataclasses.fields(value)} - {"presentations", "defaults", "output_shapes", "fills"}
        assert encoded.keys() - {"step"} == named
        assert grammar.decode(json.loads(json.dumps(encoded))) == value


def test_fields_that_few_plans_have_are_written_only_where_not_empty(small_plan: Plan) -> None:
    shown = (m.Presentation("y", "maps", (-1, "cat")),)
    told = (m.OutputShape("y", m.TensorSpec("y/shape", DType.I64, (2,), 0)),)
    defaults = (m.DefaultSpec("x", (2,), "d"),)
    manifest = dataclasses.replace(small_plan.manifest, presentations=shown, defaults=defaults, output_shapes=told)
    encoded = json.loads(json.dumps(codec.manifest.encode(manifest)))
    assert codec.manifest.decode(encoded) == manifest
    filled = dataclasses.replace(manifest.variants[0], fills=(m.FillSpec(64, 128, 255),))
    assert codec.variant.decode(json.loads(json.dumps(codec.variant.encode(filled)))) == filled
    with pytest.raises(codec.Mismatch, match="it is empty"):
        codec.manifest.decode(encoded | {"defaults": []})
    with pytest.raises(codec.Mismatch, match="a text or an integer"):
        codec.manifest.decode(encoded | {"presentations": [{"output": "y", "form": "maps", "keys": [0.5]}]})


def test_every_field_of_a_kernel_step_is_in_the_grammar(kernel_plan: Plan) -> None:
    (step,) = kernel_plan.manifest.variants[0].steps
    assert isinstance(step, m.KernelStep)
    spoken = [(codec.step, step), *((codec.argument, a) for a in step.arguments)]
    assert len({type(value) for _, value in spoken}) == 4
    for grammar, value in spoken:
        encoded = grammar.encode(value)
        assert encoded.keys() - {"step", "argument"} == {f.name for f in dataclasses.fields(value)}
        assert grammar.decode(json.loads(json.dumps(encoded))) == value


def test_dimensions_read_back_equal() -> None:
    n, m_ = dims.symbol("n"), dims.symbol("m")
    for value in (0, 7, n, n * m_ + 3, dims.floordiv(n + 1, 2), dims.maximum(dims.modulo(n, m_), 4) * n - 2):
        assert codec.dim.decode(json.loads(json.dumps(codec.dim.encode(value)))) == value


def test_a_mismatch_names_its_place(small_plan: Plan) -> None:
    encoded = codec.manifest.encode(small_plan.manifest)
    encoded["variants"][0]["steps"][1]["then"][0]["inputs"][0]["shape"][1] = "four"
    with pytest.raises(codec.Mismatch) as caught:
        codec.manifest.decode(encoded)
    assert caught.value.path == "variants[0].steps[1].then[0].inputs[0].shape[1]"
    assert "not a dimension" in caught.value.what
