from __future__ import annotations

import pytest

from burnish.cli.tritonserver.read_flags import read_flags
from burnish.errors import UserError


def test_a_value_follows_after_a_space_or_an_equals_sign():
    given = read_flags(["--http-port=1", "--grpc-port", "2", "--load-model=a=b", "--load-model", "--c"])
    assert (given.number("http-port", 0), given.number("grpc-port", 0)) == (1, 2)
    assert given.all("load-model") == ["a=b", "--c"]


def test_a_beginning_that_only_one_flag_has_stands_for_it():
    assert read_flags(["--model-rep=x"]).text("model-repository") == "x"
    with pytest.raises(UserError, match="E646") as refused:
        read_flags(["--model-load-=3"])
    assert "--model-load-retry-count" in refused.value.hint


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "on", "On"])
def test_a_boolean_is_read_as_triton_reads_it(text):
    assert read_flags([f"--allow-http={text}"]).flag("allow-http")
    assert not read_flags(["--allow-http=0", "--allow-grpc=OFF"]).flag("allow-grpc", True)


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["--http-prot=1"], "E646", "--http-port"),
        (["serve"], "E646", "'serve'"),
        (["-x"], "E646", "'-x'"),
        (["--allow-sagemaker=true"], "E647", "/v2/models/NAME/infer"),
        (["--sagemaker-port=8080"], "E647", "/v2/models/NAME/infer"),
        (["--model-load-gpu-limit=0:0.5"], "E647", "--memory-gb"),
        (["--allow-poll-model-repository=1"], "E647", "--model-control-mode=poll"),
        (["--http-port"], "E648", "has no value"),
        (["--strict-readiness=maybe"], "E648", "true or false"),
        (["--disable-auto-complete-config=true"], "E648", "no value"),
    ],
)
def test_what_is_not_taken_is_refused_by_name(words, code, part):
    with pytest.raises(UserError, match=code) as refused:
        read_flags(words)
    assert part in str(refused.value)


def test_what_changes_nothing_is_noted_once():
    given = read_flags(["--cuda-memory-pool-byte-size=0:1", "--cuda-memory-pool-byte-size=1:1", "--allow-vertex-ai=0"])
    (line,) = given.notes
    assert line.startswith("--cuda-memory-pool-byte-size changes nothing: ")


@pytest.mark.parametrize("text", ["x", "-1", "70000", "1.5"])
def test_a_number_out_of_range_is_refused(text):
    with pytest.raises(UserError, match="E648"):
        read_flags([f"--http-port={text}"]).number("http-port", 0, 0, 65535)
