"""variants.py: which code runs, and on which device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.devices.cpu import processor, tile_permission
from burnish.devices.cpu.device import Cpu
from burnish.devices.null.processor import null_cuda
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import Plan
from burnish.plan.manifest import Manifest
from burnish.runtime import load
from burnish.runtime.variants import choose_variant
from burnish.target import parse_target
from tests.devices.cuda.plans import small_plan
from tests.targets.cpu.programs import Maker


def manifest(*targets: str) -> Manifest:
    plan = small_plan()
    (variant,) = plan.manifest.variants
    return replace(plan.manifest, variants=tuple(replace(variant, target=t) for t in targets))


EVERYTHING = manifest("cpu:x86-64-v2", "cuda:sm_80", "cuda:sm_89", "cuda:sm_90a", "cuda:sm_100")


@pytest.mark.parametrize(
    ("capability", "target"),
    [((8, 0), "sm_80"), ((8, 6), "sm_80"), ((8, 9), "sm_89"), ((9, 0), "sm_90a"), ((10, 0), "sm_100")],
)
def test_a_gpu_gets_the_best_code_that_it_runs(capability: tuple[int, int], target: str):
    device, _ = null_cuda(capability)
    variant, chosen = choose_variant(EVERYTHING, [device, Cpu()], {})
    assert (variant.target, chosen) == (f"cuda:{target}", device)


def test_the_first_device_that_has_code_is_chosen():
    old, cpu = null_cuda((7, 5))[0], Cpu()
    new, _ = null_cuda((9, 0), number=1)
    assert choose_variant(EVERYTHING, [old, new, cpu], {})[1] is new
    assert choose_variant(EVERYTHING, [old, cpu], {})[0].target == "cpu:x86-64-v2"


def test_a_refusal_says_why_for_each_variant():
    device, _ = null_cuda((7, 5))
    with pytest.raises(EnvironmentProblem, match="E501") as caught:
        choose_variant(manifest("cuda:sm_80", "cuda:sm_90a", "tpu:v9"), [device], {})
    assert caught.value.what == "this machine's cuda:0 cannot run the plan"
    this = "(this one is null, compute capability 7.5, driver for CUDA 13)"
    assert caught.value.why.split("; ") == [
        f"cuda:sm_80 needs a GPU for sm_80 {this}",
        f"cuda:sm_90a needs a GPU for sm_90a {this}",
        "tpu:v9 needs a newer Burnish",
    ]


def test_the_cpu_runs_a_plan_for_both_where_there_is_no_gpu():
    m = Maker()
    m.pointwise(lambda a: a + a, m.input("x"), m.output("y"))
    plan = m.plan()
    (native,) = plan.manifest.variants
    both = Plan(replace(plan.manifest, variants=(replace(native, target="cuda:sm_75"), native)), plan.blobs)
    with load(both, threads=1) as engine:
        assert (engine.device.name, engine.variant) == ("cpu", native)


@pytest.mark.parametrize("refusal", [None, "errno 28 from the kernel: a signal stack"])
def test_code_with_tiles_runs_if_the_kernel_grants_them(monkeypatch: pytest.MonkeyPatch, refusal: str | None):
    tiles, plain = "cpu:x86-64-v4+amx+bf16+vnni", "cpu:x86-64-v4"
    monkeypatch.setattr(processor, "flags", lambda: frozenset(parse_target(tiles).needed_flags))
    monkeypatch.setattr(tile_permission, "refusal", lambda: refusal)
    assert choose_variant(manifest(tiles, plain), [Cpu()], {})[0].target == (plain if refusal else tiles)
    if refusal:
        with pytest.raises(EnvironmentProblem, match="E501") as caught:
            choose_variant(manifest(tiles), [Cpu()], {})
        assert caught.value.why == f"{tiles} needs the use of AMX's tiles ({refusal})"
        assert "cpu:x86-64-v4+amx,cpu:x86-64-v4" in str(caught.value.hint)


def test_without_a_gpu_a_plan_for_gpus_says_what_is_missing():
    with pytest.raises(EnvironmentProblem, match="E501") as caught:
        load(small_plan())
    assert caught.value.why.startswith("cuda:sm_90a needs a cuda device (")
    with pytest.raises(EnvironmentProblem, match=r"E83[345]"):
        load(small_plan(), device="cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "cuda:-1", "null", ""])
def test_a_device_that_does_not_exist_is_refused(name: str):
    with pytest.raises(UserError, match="E516"):
        load(small_plan(), device=name)
