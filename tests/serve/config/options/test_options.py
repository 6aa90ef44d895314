from __future__ import annotations

import re
from pathlib import Path

import pytest

from burnish.serve.config.options import KEYS, Axis, Bucket, Options, Shadow, Traffic
from burnish.serve.config.parse_text import parse_text
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import refusal

DOCUMENT = Path(__file__).parents[4] / "docs" / "serve-config.md"


def config_with(**parameters: str) -> pb.ModelConfig:
    config = pb.ModelConfig(name="m")
    for key, text in parameters.items():
        config.parameters[f"burnish.{key}"].string_value = text
    return config


def test_a_configuration_without_parameters_has_the_defaults() -> None:
    assert Options.of(pb.ModelConfig()) == Options()
    assert (Options().isolation, Options().threads, Options().cpu_share, Options().traffic) == ("none", None, 1.0, None)


def test_parameters_of_others_are_left_alone() -> None:
    config = pb.ModelConfig()
    config.parameters["EXECUTION_ENV_PATH"].string_value = "x"
    config.parameters["burnished"].string_value = "x"
    assert Options.of(config) == Options()


def test_every_parameter_reaches_its_field() -> None:
    found = Options.of(
        config_with(
            buckets="ids[0], mask[0] = 16 32; image[1] = 224",
            pad="ids = 1",
            trim="logits[0] = ids[0]",
            batch_sizes="1, 4",
            traffic="1 = 95, 2 = 5",
            traffic_sticky="user",
            shadow="3 = 10%",
            shadow_rtol="0.01",
            shadow_atol="0",
            isolation="process",
            threads="2",
            cpu_share="50%",
            memory="1GiB",
            keep_loaded="true",
        )
    )
    assert found == Options(
        buckets={
            Axis("ids", 0): Bucket(Axis("ids", 0), (16, 32)),
            Axis("mask", 0): Bucket(Axis("mask", 0), (16, 32)),
            Axis("image", 1): Bucket(Axis("image", 1), (224,)),
        },
        pads={"ids": 1},
        trims={Axis("logits", 0): Axis("ids", 0)},
        batch_sizes=(1, 4),
        traffic=Traffic({1: 95.0, 2: 5.0}, "user"),
        shadow=Shadow(3, 0.1, 0.01, 0.0),
        isolation="process",
        threads=2,
        cpu_share=0.5,
        memory_bytes=1 << 30,
        is_kept=True,
    )


def test_a_shadow_gets_all_requests_if_nothing_else_is_said() -> None:
    assert Options.of(config_with(shadow="3")).shadow == Shadow(3, 1.0)


@pytest.mark.parametrize(("size", "padded"), [(0, 16), (1, 16), (16, 16), (17, 32), (32, 32), (33, 33)])
def test_a_bucket_is_the_first_size_that_is_large_enough(size: int, padded: int) -> None:
    assert Bucket(Axis("ids", 0), (16, 32)).size_for(size) == padded


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"bukets": "x"}, "there is no parameter 'burnish.bukets'; did you mean 'burnish.buckets'?"),
        ({"zzz": "x"}, "there is no parameter 'burnish.zzz'; there are burnish.batch_sizes, burnish.buckets,"),
        ({"traffic_sticky": "user"}, "parameter 'burnish.traffic_sticky' needs 'burnish.traffic'"),
        ({"shadow_rtol": "0.1"}, "parameter 'burnish.shadow_rtol' needs 'burnish.shadow'"),
        ({"traffic": "1 = 1", "traffic_sticky": " "}, "the name of a request parameter is expected"),
        ({"buckets": "ids[0], ids[0] = 1 2"}, "ids[0] is named twice"),
        ({"trim": "a[0] = b[0]; a[0] = c[0]"}, "a[0] is named twice"),
        ({"trim": "a[0] = b[0], c[0]"}, "one axis of an input is expected on the right"),
        ({"shadow": "three"}, "a whole number from 0"),
        ({"shadow": "3 = 0"}, "a part of the whole is expected"),
        ({"isolation": "thread"}, "one of none, process is expected"),
        ({"threads": "0"}, "a whole number from 1 to 4096 is expected"),
    ],
)
def test_what_a_parameter_cannot_mean_is_refused(parameters: dict[str, str], why: str) -> None:
    assert why in refusal(Options.of, config_with(**parameters))


def test_triton_reads_a_file_with_our_parameters() -> None:
    theirs = pytest.importorskip("tritonclient.grpc.model_config_pb2")
    text = 'parameters { key: "burnish.buckets" value { string_value: "ids[0] = 16, 32" } }'
    read = theirs.ModelConfig.FromString(parse_text(text).SerializeToString())
    assert read.parameters["burnish.buckets"].string_value == "ids[0] = 16, 32"


def test_every_parameter_is_documented_and_every_documented_one_is_read() -> None:
    documented = set(re.findall(r"^\| `(burnish\.[\w.]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert documented == set(KEYS)


def test_the_documents_examples_are_read() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    examples = re.findall(r"```proto\n(.*?)```", text, re.DOTALL)
    assert examples
    seen: set[str] = set()
    for example in examples:
        config = parse_text(example)
        Options.of(config)
        seen |= config.parameters.keys()
    assert seen <= set(KEYS)
    rows = re.findall(r"^\| `(burnish\.[\w.]+)` \| `([^`]+)` \|", text, re.MULTILINE)
    assert len(rows) == len(KEYS)
    for key, value in rows:
        more = {"traffic": "1 = 1"} if key.startswith("burnish.traffic_") else {}
        more |= {"shadow": "1"} if key.startswith("burnish.shadow_") else {}
        Options.of(config_with(**more, **{key.removeprefix("burnish."): value}))
