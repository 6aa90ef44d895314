from __future__ import annotations

import pytest

from burnish.serve.config.options.check import check_named_versions, check_options
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.versions import choose_versions
from burnish.serve.proto import model_config_pb2 as pb
from tests.serve.config.configs import ensemble_of, refusal

MODEL = """name: "m" max_batch_size: 8
input [
  { name: "ids" data_type: TYPE_INT32 dims: [ -1, 4 ] },
  { name: "bytes" data_type: TYPE_UINT8 dims: [ -1 ] },
  { name: "flags" data_type: TYPE_BOOL dims: [ -1 ] },
  { name: "text" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "real" data_type: TYPE_FP16 dims: [ -1 ] },
  { name: "flat" data_type: TYPE_FP32 dims: [ -1 ] reshape { shape: [ -1, 1 ] } },
  { name: "ragged" data_type: TYPE_FP32 dims: [ -1 ] allow_ragged_batch: true }
]
output [ { name: "logits" data_type: TYPE_FP32 dims: [ -1, 7 ] } ]
"""


def config_with(text: str = MODEL, **parameters: str) -> pb.ModelConfig:
    config = parse_text(text)
    for key, value in parameters.items():
        config.parameters[f"burnish.{key}"].string_value = value
    return config


def test_parameters_that_fit_are_accepted() -> None:
    check_options(config_with())
    check_options(
        config_with(
            buckets="ids[0] = 16, 32; bytes[0] = 8",
            trim="logits[0] = ids[0]",
            pad="ids = -1; bytes = 255; flags = true; text = ''; real = 0.5; flat = 1",
            batch_sizes="2, 8",
        )
    )


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"buckets": "nosuch[0] = 8"}, "burnish.buckets names nosuch[0], and 'nosuch' is no input (there are ids,"),
        ({"buckets": "logits[0] = 8"}, "burnish.buckets names logits[0], and 'logits' is no input"),
        ({"buckets": "ids[2] = 8"}, "burnish.buckets names ids[2], and 'ids' has 2 dims, for m"),
        ({"buckets": "ids[1] = 8"}, "burnish.buckets names ids[1], whose size is always 4, for m"),
        ({"buckets": "flat[0] = 8"}, "the model sees 'flat' in another shape (reshape)"),
        ({"buckets": "ragged[0] = 8"}, "burnish.buckets pads 'ragged', whose rows may differ (allow_ragged_batch)"),
        ({"trim": "logits[0] = ids[0]"}, "trim cuts logits[0] back to ids[0], which burnish.buckets does not pad"),
        ({"trim": "ids[0] = ids[0]", "buckets": "ids[0] = 8"}, "burnish.trim names ids[0], and 'ids' is no output"),
        ({"trim": "logits[1] = ids[0]", "buckets": "ids[0] = 8"}, "names logits[1], whose size is always 7"),
        ({"pad": "nosuch = 0"}, "burnish.pad names 'nosuch', which is no input"),
        ({"pad": "ids = 0.5"}, "burnish.pad fills 'ids' up with 0.5, which is no TYPE_INT32"),
        ({"pad": "ids = 2147483648"}, "which is no TYPE_INT32"),
        ({"pad": "ids = true"}, "fills 'ids' up with true, which is no TYPE_INT32"),
        ({"pad": "bytes = -1"}, "which is no TYPE_UINT8"),
        ({"pad": "flags = 1"}, "which is no TYPE_BOOL"),
        ({"pad": "text = 1"}, "which is no TYPE_STRING"),
        ({"pad": "real = 'x'"}, "fills 'real' up with 'x', which is no TYPE_FP16"),
        ({"batch_sizes": "4, 16"}, "fills batches up to 16, more than max_batch_size allows (8), for m"),
    ],
)  # fmt: skip
def test_parameters_that_name_what_is_not_there_are_refused(parameters: dict[str, str], why: str) -> None:
    assert why in refusal(check_options, config_with(**parameters))


@pytest.mark.parametrize("key", ["buckets", "pad", "trim", "batch_sizes", "threads"])
def test_an_ensemble_leaves_its_models_options_to_them(key: str) -> None:
    values = {"buckets": "X[0] = 8", "pad": "X = 0", "trim": "Z[0] = X[0]", "batch_sizes": "4", "threads": "2"}
    config = ensemble_of("a(A=X) -> (B=Z)")
    config.parameters[f"burnish.{key}"].string_value = values[key]
    assert "belong to the models of an ensemble, not to the ensemble, for e" in refusal(check_options, config)


def test_versions_that_get_requests_must_be_served() -> None:
    config = config_with("name: 'm' version_policy { all { } }", traffic="1 = 95, 2 = 5", shadow="3")
    check_named_versions(config, [1, 2, 3])
    assert choose_versions(config, ["1", "2", "3"]).served == (1, 2, 3)
    assert refusal(choose_versions, config, ["1", "2"]) == (
        "burnish.shadow names version 3, and the version policy serves 1, 2, for m"
    )
    assert refusal(check_named_versions, config, [1, 3]) == (
        "burnish.traffic names version 2, and the version policy serves 1, 3, for m"
    )
