"""split_defaults.py: initializers that are also inputs. Oracle: ONNX Runtime, which lets callers override them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.errors import UserError
from tests.importers.build import answers, parse

TEXT = "agraph (float[n] x, float[m] w) => (float[k] y) <float[2] w = {10.0, 20.0}> { a = Neg (w) y = Sub (x, a) }"
X, W = np.array([1, 2], np.float32), np.array([-1, -2], np.float32)


def model(ir_version: int = 8) -> onnx.ModelProto:
    proto = parse(17, TEXT, ir_version)
    assert [v.name for v in proto.graph.input] == ["x", "w"]
    return proto


def test_a_default_becomes_a_constant_and_a_note_says_so():
    plan = burnish.build(model(), shapes={"x": (2,)})
    assert [t.name for t in plan.manifest.inputs] == ["x"]
    assert any("override w; the plan holds constants" in note for note in plan.manifest.notes)


def test_a_default_stays_an_input_that_may_be_left_out_where_asked():
    plan = burnish.build(model(), shapes={"x": (2,)}, overridable=True)
    assert plan.manifest.notes == () and [d.input for d in plan.manifest.defaults] == ["w"]
    with burnish.load(plan.to_bytes(), threads=1) as engine:
        for feeds in ({"x": X}, {"x": X, "w": W}, {"x": X}):
            np.testing.assert_array_equal(engine(feeds)["y"], answers(model(), feeds)[0])
        np.testing.assert_array_equal(engine(X)["y"], answers(model(), {"x": X})[0])  # the only one that is needed
        assert [(t.name, t.has_default) for t in engine.inputs] == [("x", False), ("w", True)]
        with pytest.raises(UserError, match="input 'x' not given"):
            engine(w=W)
        with pytest.raises(UserError, match="no input 'z'"):
            engine(x=X, z=X)


def test_a_default_may_be_overridden_by_another_shape_within_a_profile():
    profile = {"x": ((1,), (2,), (4,)), "w": ((1,), (2,), (4,))}
    plan = burnish.build(model(), profile=profile, overridable=True)
    with burnish.load(plan, threads=1) as engine:
        feeds = {"x": np.ones(3, np.float32), "w": np.arange(3, dtype=np.float32)}
        np.testing.assert_array_equal(engine(feeds)["y"], answers(model(), feeds)[0])


def test_before_ir_version_4_every_initializer_is_an_input_and_means_nothing_by_it():
    for overridable in (False, True):
        plan = burnish.build(model(3), shapes={"x": (2,)}, overridable=overridable)
        assert [t.name for t in plan.manifest.inputs] == ["x"] and not plan.manifest.notes
