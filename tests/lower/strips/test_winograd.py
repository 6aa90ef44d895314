"""Winograd: the same sums with fewer products, on every size of image and where the epilogue wants."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.building.analyze import analyze
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import each_launch
from burnish.lower.strips.winograd import F2, F4, Transform
from tests.lower.test_lowering import check, model

CHAINS = Abilities(chains=True)


def parts(text: str, *weights: tuple[int, ...], abilities: Abilities | None = None) -> list[str]:
    parsed = model(text, {f"w{i}": shape for i, shape in enumerate(weights)})
    program = analyze(parsed, abilities=abilities).program
    return [launch.name.rpartition("/")[2] for launch in each_launch(program.steps)]


@pytest.mark.parametrize("transform", [F2, F4], ids=["F2", "F4"])
def test_the_matrices_compute_a_convolution_exactly(transform: Transform) -> None:
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal((transform.m + 2,) * 2), rng.standard_normal((3, 3))
    bt, g, at = (np.array(m, float) for m in (transform.bt, transform.g, transform.at))
    got = at @ ((g @ w @ g.T) * (bt @ d @ bt.T)) @ at.T
    windows = np.lib.stride_tricks.sliding_window_view(d, (3, 3))
    np.testing.assert_allclose(got, np.einsum("ijrs,rs->ij", windows, w), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 16), (17, 19), (23, 14), (12, 12), (40, 7)])
@pytest.mark.parametrize("pads", ["1,1,1,1", "0,0,0,0", "2,0,1,1"])
def test_every_image_size_gets_its_answers(size: tuple[int, int], pads: str) -> None:
    text = f"""m (float[2,32,{size[0]},{size[1]}] x, float[32] c) => (float y) {{
        h = Conv <pads=[{pads}]> (x, w, b) r = Relu(h) y = Conv(r, v) }}"""
    program = check(model(text, {"w": (32, 32, 3, 3), "b": (32,), "v": (8, 32, 1, 1)}))
    assert any(launch.name.endswith("/products") for launch in each_launch(program.steps))


def test_the_number_of_images_may_be_dynamic() -> None:
    text = "m (float[n,32,16,16] x) => (float[n,32,16,16] y) { h = Conv <pads=[1,1,1,1]> (x, w) y = Relu(h) }"
    program = check(model(text, {"w": (32, 32, 3, 3)}), {"n": 3})
    assert any(launch.name.endswith("/products") for launch in each_launch(program.steps))


def test_a_residual_is_added_while_the_outputs_are_written() -> None:
    text = """m (float[1,32,18,18] x) => (float[1,32,18,18] y) {
        a = Conv <pads=[1,1,1,1]> (x, w0) r = Relu(a) b = Conv <pads=[1,1,1,1]> (r, w1) s = Add(b, x) y = Relu(s) }"""
    check(model(text, {"w0": (32, 32, 3, 3), "w1": (32, 32, 3, 3)}))
    assert parts(text, (32, 32, 3, 3), (32, 32, 3, 3)).count("outputs") == 2


@pytest.mark.parametrize(
    ("why", "conv", "weight"),
    [
        ("strides", "Conv <pads=[1,1,1,1], strides=[2,2]>", (64, 64, 3, 3)),
        ("few channels", "Conv <pads=[1,1,1,1]>", (16, 64, 3, 3)),
        ("another kernel", "Conv <pads=[2,2,2,2]>", (64, 64, 5, 5)),
        ("groups", "Conv <pads=[1,1,1,1], group=2>", (64, 32, 3, 3)),
        ("dilation", "Conv <pads=[2,2,2,2], dilations=[2,2]>", (64, 64, 3, 3)),
    ],
)
def test_what_it_does_not_pay_for_is_summed_directly(why: str, conv: str, weight: tuple[int, ...]) -> None:
    del why
    assert "products" not in parts(f"m (float[1,64,28,28] x) => (float y) {{ y = {conv} (x, w0) }}", weight)


@pytest.mark.parametrize(
    ("channels", "outputs", "pixels", "pays"),
    [(96, 24, 80, True), (16, 32, 80, True), (64, 12, 80, True), (16, 16, 80, False), (96, 24, 20, False)],
)
def test_few_channels_pay_in_strips_that_stay_in_a_cache(channels: int, outputs: int, pixels: int, pays: bool) -> None:
    image = f"float[1,{channels},{pixels},{pixels}]"
    text = f"m ({image} x) => (float y) {{ c = Conv <pads=[1,1,1,1]> (x, w0) y = Relu(c) }}"
    assert ("strips" in parts(text, (outputs, channels, 3, 3), abilities=CHAINS)) is pays
    assert parts(text, (outputs, channels, 3, 3))[-1] == "Relu_1"  # without chains it never pays


def test_strips_of_few_channels_give_the_answers() -> None:
    text = """m (float[1,20,75,81] x, float[23] c) => (float y) {
        h = Conv <pads=[1,1,1,1]> (x, w, b) y = Relu(h) }"""
    program = check(model(text, {"w": (23, 20, 3, 3), "b": (23,)}), abilities=CHAINS)
    assert any(launch.name.endswith("/strips") for launch in each_launch(program.steps))


def test_large_weights_for_small_images_are_summed_directly() -> None:
    text = "m (float[1,512,{0},{0}] x) => (float y) {{ y = Conv <pads=[1,1,1,1]> (x, w0) }}"
    assert "products" not in parts(text.format(7), (512, 512, 3, 3))
    assert "products" in parts(text.format(28), (512, 512, 3, 3))


@pytest.mark.parametrize(
    ("workspace", "is_used"), [(None, True), (36 * 4 * 16 * 64 * 4, True), (36 * 4 * 16 * 64 * 4 - 1, False)]
)
def test_tiles_that_do_not_fit_the_workspace_are_left_out_with_a_note(workspace: int | None, is_used: bool) -> None:
    """F(4x4): 36 points of 16 tiles an image, 32 channels in and 32 out, in f32; for the profile's 4 images."""
    text = "m (float[n,32,16,16] x) => (float[n,32,16,16] y) { y = Conv <pads=[1,1,1,1]> (x, w) }"
    sizes = ((1, 32, 16, 16), (2, 32, 16, 16), (4, 32, 16, 16))
    found = analyze(model(text, {"w": (32, 32, 3, 3)}), profile={"x": sizes}, workspace=workspace)
    names = [launch.name.rpartition("/")[2] for launch in each_launch(found.program.steps)]
    assert ("products" in names) is is_used
    assert [("F(4x4): its tiles need 589,824 bytes" in note) for note in found.notes] == [True] * (not is_used)
