from __future__ import annotations

import pytest

from burnish.cli.parse_shapes import parse_ranges, parse_shapes
from burnish.serve.config.options import Axis, Build, Options
from burnish.serve.config.options.build import derive_ranges
from burnish.serve.config.parse_text import parse_text
from tests.serve.config.configs import refusal


def config_with(inputs: str, batch: int = 8, **parameters: str):
    config = parse_text(f"name: 'm' max_batch_size: {batch} {inputs}")
    for key, text in parameters.items():
        config.parameters["burnish." + key.replace("__", ".")].string_value = text
    return config


def arguments(inputs: str, batch: int = 8, **parameters: str) -> list[str]:
    config = config_with(inputs, batch, **parameters)
    return Options.of(config).build_arguments(config)


IMAGE = "input { name: 'image' data_type: TYPE_FP32 dims: [ 3, 8 ] }"
IDS = "input { name: 'ids' data_type: TYPE_INT64 dims: [ -1 ] }"


def test_of_inputs_that_are_not_listed_the_batch_alone_is_said() -> None:
    assert arguments("") == ["--batch", "1:8:8"]
    assert arguments("dynamic_batching { preferred_batch_size: [ 2, 4 ] }") == ["--batch", "1:4:8"]
    assert arguments("", batch=0) == ["--batch", "1:4:4"]  # as the configuration will be completed
    assert arguments("", batch_sizes="2, 8") == ["--batch", "2:8:8"]
    assert arguments("input { name: 'x' }", batch=2)[-2:] == ["--batch", "1:2:2"]  # its type and dims are the model's
    assert "--batch" not in arguments("input { name: 'x' }", build__shapes="x:2x3")


def test_the_batch_ranges_from_one_to_the_largest() -> None:
    assert arguments(IMAGE) == ["--min", "image:1x3x8", "--opt", "image:8x3x8", "--max", "image:8x3x8"]
    assert arguments(f"{IMAGE} dynamic_batching {{ preferred_batch_size: [ 2, 4 ] }}")[3] == "image:4x3x8"
    assert arguments(IMAGE, batch_sizes="2, 8")[1] == "image:2x3x8"


def test_an_input_of_one_shape_is_built_for_it() -> None:
    assert arguments(IMAGE, batch=0) == ["--shapes", "image:3x8"]
    assert arguments("input { name: 's' dims: 1 reshape { } }", batch=0) == ["--shapes", "s:scalar"]


def test_buckets_are_the_range_of_what_varies() -> None:
    assert arguments(IDS, buckets="ids[0] = 16, 32, 64") == [
        "--min",
        "ids:1x16",
        "--opt",
        "ids:8x32",
        "--max",
        "ids:8x64",
    ]


def test_given_shapes_take_the_place_of_what_the_configuration_says() -> None:
    given = {"build__min": "ids:1x1", "build__max": "ids:8x64"}
    assert arguments(IDS + IMAGE, **given) == [
        "--min", "ids:1x1,image:1x3x8", "--opt", "image:8x3x8", "--max", "ids:8x64,image:8x3x8",
    ]  # fmt: skip


def test_a_size_without_an_end_is_refused_with_the_way_out() -> None:
    config = config_with(IDS)
    assert refusal(Options.of(config).build_arguments, config) == (
        "input 'ids' may have any size in dims[0], and a plan is built for a range: give its sizes in the parameter "
        "'burnish.buckets', or its shapes in 'burnish.build.min' and 'burnish.build.max'"
    )


def test_each_option_becomes_the_builders() -> None:
    given = {
        "build__precision": "bf16",
        "build__target": "cpu:x86-64-v3, cuda:sm_90a",
        "build__opt_level": "2",
        "build__allow_fallback": "true",
        "build__shapes": "'odd,name':1x3, s:scalar",
    }
    assert arguments("", **given) == [
        "--precision", "bf16", "--target", "cpu:x86-64-v3,cuda:sm_90a", "--opt-level", "2", "--allow-fallback",
        "--shapes", "'odd,name':1x3,s:scalar", "--batch", "1:8:8",
    ]  # fmt: skip
    assert Options.of(config_with("", build__memory="2GiB")).build.memory_bytes == 2 << 30


def test_the_builder_reads_the_shapes_that_are_written() -> None:
    found = arguments(IDS + IMAGE, buckets="ids[0] = 4, 9")
    low, usual, high = found[1::2]
    assert parse_ranges([low], [usual], [high], ["--min", "--opt", "--max"]) == {
        "ids": ((1, 4), (8, 9), (8, 9)),
        "image": ((1, 3, 8), (8, 3, 8), (8, 3, 8)),
    }
    names = Build(shapes={"a,b": (1,), "s": ()}).arguments({})
    assert parse_shapes([names[1]]) == {"a,b": (1,), "s": ()}


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("build__precision", "int8", "one of fp32, fp16, bf16 is expected"),
        ("build__target", "cpu; rm", "a target is expected, as cpu, cpu:x86-64-v3 or cuda:sm_90a"),
        ("build__min", "ids", "shapes are expected, as image:1x3x224x224, mask:1x128"),
        ("build__min", "", "shapes are expected"),
        ("build__max", "ids:1x-3", "shapes are expected"),
        ("build__opt_level", "9", "a whole number from 0 to 5 is expected"),
    ],
)
def test_options_that_the_builder_does_not_know_are_refused(key: str, text: str, why: str) -> None:
    assert why in refusal(Options.of, config_with("", **{key: text}))


def test_ranges_are_of_the_shape_that_the_model_sees() -> None:
    config = parse_text("max_batch_size: 2 input { name: 'a' dims: [ 6 ] reshape { shape: [ 2, 3 ] } }")
    assert derive_ranges(config, {}, (), set()) == {"a": ((1, 2, 3), (2, 2, 3), (2, 2, 3))}
    assert derive_ranges(config, {Axis("a", 0): (1, 2)}, (), {"a"}) == {}
