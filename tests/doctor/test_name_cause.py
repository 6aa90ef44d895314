"""The order in which causes are asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from burnish.calibration import calibrate
from burnish.doctor import name_cause as names_causes
from burnish.doctor.causes import unexplained
from burnish.doctor.name_cause import CAUSES, name_cause
from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, GPU, Surgery, model_of, normal

CASE = SimpleNamespace(hidden=())


def test_the_cause_that_always_fits_comes_last_and_each_has_a_name_of_its_own() -> None:
    assert CAUSES[-1] is unexplained.find
    files = {cause.__module__ for cause in CAUSES}
    names = [__import__(module, fromlist=["CAUSE"]).CAUSE.name for module in files]
    assert len(set(names)) == len(names) == len(files)


def test_the_first_that_fits_is_named(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(names_causes, "CAUSES", (lambda case: None, lambda case: "second", lambda case: "third"))
    assert name_cause(CASE) == "second"


def test_codes_that_never_lie_in_memory_are_found_in_their_launch(surgery: Surgery) -> None:
    text = """g (float[1,3,5,5] x) => (float[1,10] y) {
        [conv] a = Conv(x, w) [act] b = Relu(a) [pool] h = GlobalAveragePool(b) [flat] i = Flatten(h)
        [last] y = Gemm(i, v)
    }"""
    model = model_of(text, w=normal(8, 3, 3, 3, seed=1, scale=0.3), v=normal(8, 10, seed=2))
    data = [{"x": normal(1, 3, 5, 5, seed=n)} for n in (3, 4)]
    right = calibrate(model, data, method="minmax", threads=1)
    planted = replace(right, tensors={**right.tensors, "i": Range(0.0, 0.1)})
    for target in (CPU, GPU):
        found = surgery.diagnose(model, data, target, precision="int8", ranges=planted, remedy=False)
        assert [(f.cause.name, f.tensor, f.raises) for f in found.findings] == [("clipped_range", "i", ("last",))]
