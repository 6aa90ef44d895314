"""rotate.py: which constants each repeat reads."""

from __future__ import annotations

from burnish.plan.manifest import KernelStep, PointerArgument, ScalarArgument, StorageSpec, Variant
from burnish.tune.rotate_weights import rotate_constants

WEIGHTS, BIAS, X = 0, 1, 2
STEP = KernelStep(
    "cubin/0", "kernel", (1, 1, 1), 32, 0,
    (
        PointerArgument(X), PointerArgument(WEIGHTS, 64), PointerArgument(BIAS), PointerArgument(WEIGHTS),
        ScalarArgument(3),
    ), 0, False,
)  # fmt: skip
STORAGES = (
    StorageSpec(WEIGHTS, "constant", 5000, blob="weights/a"),
    StorageSpec(BIAS, "constant", 4095, blob="weights/b"),
    StorageSpec(X, "input", 9000),
)
BLOBS = {"weights/a": bytes(5000), "weights/b": bytes(4095), "cubin/0": b"code"}


def variant(steps: int) -> Variant:
    return Variant("cuda:sm_90a", "", STORAGES, 0, 0, 0, (STEP,) * steps, ())


def test_every_step_but_the_first_reads_large_constants_from_storages_of_its_own() -> None:
    found, blobs = rotate_constants(variant(3), BLOBS, 4096)
    assert found.steps[0] == STEP
    assert found.storages[:3] == STORAGES
    assert [(s.number, s.kind, s.size) for s in found.storages[3:]] == [(3, "constant", 5000), (4, "constant", 5000)]
    for number, step in enumerate(found.steps[1:], 3):
        assert isinstance(step, KernelStep)
        expected = (X, number, BIAS, number)
        assert tuple(a.storage for a in step.arguments if isinstance(a, PointerArgument)) == expected
        assert step.arguments[1] == PointerArgument(number, 64)
    names = [s.blob for s in found.storages if s.number not in (BIAS, X)]
    assert len(set(names)) == 3 and all(blobs[name] is BLOBS["weights/a"] for name in names)


def test_nothing_large_nothing_to_do() -> None:
    assert rotate_constants(variant(4), BLOBS, 5001) == (variant(4), BLOBS)
