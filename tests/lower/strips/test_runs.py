"""Which convolutions become chains: those whose memory traffic costs more than rows computed twice."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.lower.epilogue import plain_body
from burnish.lower.strips.runs import FEWEST_STRIPS, Link, best_run, best_runs, rows_of_strip, strip_bytes
from burnish.ops.language.definition import Conv, Tensor


def link(
    channels: int,
    height: int,
    width: int,
    taps: int = 1,
    stride: int = 1,
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    images: int = 1,
    of: int = 0,
) -> Link:
    """A convolution of `of` channels with this result; depthwise without `of`."""
    x = Tensor("x", DType.F32, (images, of or channels, height * stride, width * stride))
    weight = Tensor("w", DType.F32, (channels, of or 1, taps, taps))
    shape = (images, channels, height, width)
    form = Conv(x, weight, None, shape, DType.F32, (stride, stride), (1, 1), pads[:2], pads[2:], 1 if of else channels)
    root = Tensor("y", DType.F32, shape)
    return Link(root, root, form, plain_body(root))


def block(size: int, of: int, channels: int, images: int, stride: int = 1) -> list[Link]:
    """Expansion, depthwise and projection of a MobileNetV2."""
    return [
        link(channels, size * stride, size * stride, images=images, of=of),
        link(channels, size, size, 3, stride, (1, 1, 1, 1), images),
        link(of, size, size, images=images, of=channels),
    ]


def test_the_rows_of_a_strip_are_those_that_the_next_convolution_reads() -> None:
    links = [link(8, 40, 9, of=4), link(8, 20, 9, 5, 2, (2, 2, 2, 2)), link(8, 20, 9, 3, 1, (1, 1, 1, 1))]
    assert rows_of_strip(links, 4) == (15, 6, 4)
    assert rows_of_strip(links, 20) == (40, 20, 20)
    assert strip_bytes(links, (15, 6, 4)) == (15 + 4 + 6 + 2) * 8 * 9 * 4


def test_traffic_is_worth_a_chain_and_images_of_few_rows_or_little_traffic_are_not() -> None:
    gain, run = best_run(block(56, 24, 144, images=8), {}, None)
    assert run is not None and gain > 0 and len(run.links) == 3
    assert best_run(block(7, 160, 960, images=1), {}, None)[1] is None, "most rows would be computed twice"
    assert best_run(block(7, 160, 960, images=8), {}, None)[1] is not None, "each image is a strip"
    assert best_run(block(16, 4, 8, images=1), {}, None)[1] is None, "8 KB"


def test_a_chain_leaves_strips_to_share_out() -> None:
    _, run = best_run(block(56, 24, 144, images=1), {}, None)
    assert run is not None and -(-56 // run.rows[-1]) >= FEWEST_STRIPS


def test_the_workspace_limits_a_strip() -> None:
    links = block(56, 24, 144, images=8)
    _, run = best_run(links, {}, 200_000)
    assert run is not None and strip_bytes(links, run.rows) <= 200_000
    assert best_run(links, {}, 1000)[1] is None


def test_of_many_convolutions_the_runs_that_save_most_together_are_chosen() -> None:
    links = [*block(56, 24, 144, images=8), *block(28, 24, 144, images=8, stride=2)]
    runs = best_runs(links, {})
    assert [len(r.links) for r in runs] == [3, 3]
    assert [x for r in runs for x in r.links] == links
