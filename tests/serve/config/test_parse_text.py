from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.config.parse_text import explain, meant, parse_text, refused
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code
from tests.serve.config.configs import refusal

SENTENCE = "failed to read text proto from config.pbtxt: "


def test_every_form_of_the_text_format_is_read() -> None:
    text = """# a comment
    name: 'm' "odel",
    max_batch_size: 0x2;
    input: < name: "IN", data_type: TYPE_FP32, dims: 3 >
    input { name: "B" data_type: 11 dims: [ 1, -1 ] }
    parameters { key: "a" value { string_value: "\\x41\\102" } }
    """
    config = parse_text(text)
    assert (config.name, config.max_batch_size) == ("model", 2)
    assert [(t.name, t.data_type, list(t.dims)) for t in config.input] == [
        ("IN", pb.TYPE_FP32, [3]),
        ("B", pb.TYPE_FP32, [1, -1]),
    ]
    assert config.parameters["a"].string_value == "AB"


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert parse_text(b"") == pb.ModelConfig()


def test_a_byte_order_mark_and_a_comment_in_latin_1_are_passed_over() -> None:
    assert parse_text(b'\xef\xbb\xbf# caf\xe9\nname: "m"').name == "m"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('\n\ncolour: "green"\n', "line 3, column 1: ModelConfig has no field 'colour'"),
        (
            "max_batchsize: 3",
            "line 1, column 1: ModelConfig has no field 'max_batchsize'; did you mean max_batch_size?",
        ),
        ('input [\n  { nme: "x" }\n]', "line 2, column 5: ModelInput has no field 'nme'; did you mean name?"),
        ('parameters { key: "a" value { number: 3 } }', "ModelParameter has no field 'number'; it has string_value"),
        ('name: "a"\nname: "b"\n', "line 2, column 7: 'name' of ModelConfig is given twice"),
        (
            "dynamic_batching { }\nsequence_batching { }\n",
            "line 2, column 1: 'sequence_batching' and 'dynamic_batching' exclude each other, and both are given",
        ),
        (
            "input {\n  data_type: TYPE_FLOAT\n}",
            "line 2, column 14: DataType has no value TYPE_FLOAT; did you mean TYPE_FP32? (data_type: TYPE_FLOAT)",
        ),
        ("input { data_type: TYPE_BYTES }", "DataType has no value TYPE_BYTES; did you mean TYPE_STRING?"),
        ("instance_group { kind: KIND_NPU }", "Kind has no value KIND_NPU; did you mean KIND_GPU?"),
        ("instance_group { kind: X }", "Kind has no value X; it has KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL"),
        ('max_batch_size: "x"', 'line 1, column 17: "x" stands where a whole number is expected (max_batch_size: "x")'),
        ("max_batch_size: 1.5", "1.5 stands where a whole number is expected"),
        ("max_batch_size: 99999999999", "value out of range: 99999999999"),
        ("input {\n data_type: 99999999999 }", "line 2: value out of range: 99999999999"),
        ('input {\n name: "x"\n\n', 'the file ends after line 2, where "}" is missing'),
        ('input [\n {name: "a"}\n {name: "b"}\n]', 'line 3, column 2: expected "," ({name: "b"})'),
        ('name: "a', "the quote that ends a text is missing in its line"),
        ('name: "\\377"', "a text is not UTF-8"),
        (b'name: "\xff"', "a text in it is not UTF-8"),
    ],
)
def test_what_does_not_parse_is_refused_by_line_and_name(text: str, why: str) -> None:
    message = refusal(parse_text, text)
    assert message.startswith(SENTENCE)
    assert why in message


def test_a_long_line_is_not_repeated_whole() -> None:
    assert len(refusal(parse_text, "max_batch_size: " + "9" * 4_000)) < 400
    assert len(refusal(parse_text, 'x: "' + "y" * 10_000)) < 400


def test_a_refusal_names_the_file_and_is_the_servers_error() -> None:
    error = refused("other.pbtxt", "why")
    assert (error.message, error.code) == ("failed to read text proto from other.pbtxt: why", Code.INTERNAL)


def test_protobufs_own_words_stay_where_they_say_enough() -> None:
    assert explain('Expected ":".') == 'expected ":".'


def test_names_that_resemble_nothing_are_answered_with_those_that_there_are() -> None:
    assert meant("zzz", ["one", "two"]) == "; it has one, two"
    assert "ModelVersionPolicy.All has no field 'x'; it has none" in refusal(
        parse_text, "version_policy { all { x: 1 } }"
    )
    assert meant("zzz", [f"name{i}" for i in range(50)]) == ""


_SIGNS = list("{}[]<>:,;#-/\"'é\n\0")
_WORDS = ["name", "input", "dims", "data_type", "TYPE_FP32", "dynamic_batching", "version_policy", "all", "parameters"]
_VALUES = ["key", "value", "max_batch_size", '"x"', "1", "0x", "1e9", "nan", "99999999999", "true", r"\377", "9" * 5000]
_TOKENS = st.sampled_from([*_SIGNS, *_WORDS, *_VALUES])


@settings(max_examples=200, deadline=None)
@given(st.lists(_TOKENS, max_size=12).map(" ".join).map(str.encode) | st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_in_words_that_json_can_carry(text: bytes) -> None:
    try:
        parse_text(text)
    except ConfigError as error:
        error.message.encode("utf-8")
