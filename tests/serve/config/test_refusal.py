from __future__ import annotations

from burnish.serve.config.refusal import ConfigError, poll_failure
from burnish.serve.status import Code


def test_the_detail_follows_tritons_sentence() -> None:
    error = ConfigError("it is wrong", "line 3")
    assert (error.message, error.sentence, error.detail) == ("it is wrong: line 3", "it is wrong", "line 3")
    assert ConfigError("it is wrong").message == "it is wrong"


def test_a_refused_poll_starts_with_the_words_that_triton_answers() -> None:
    sentence = "failed to load 'm', failed to poll from model repository"
    assert poll_failure("m", ConfigError("what", "line 3")).message == f"{sentence}: what: line 3"
    error = poll_failure("m", ConfigError("what"))
    assert error.message == sentence
    assert (error.code, error.code.http) == (Code.INTERNAL, 500)
