"""The names, values and precedence are those that a real Triton 2.51 gave a model."""

import re

import pytest

from burnish.serve.core.forward_headers import forward_headers


def test_headers_whose_name_has_the_pattern_anywhere_become_parameters():
    forward = forward_headers("x-my|^priority$")
    parameters = {"x-my": "own", "k": 2}
    given = [("a-X-My-b", "1"), ("x-my", "header"), ("priority", "5"), ("my-priority", "6"), ("other", "7")]
    forward(given, parameters)
    assert parameters == {"k": 2, "a-X-My-b": "1", "x-my": "header", "priority": "5"}


def test_without_a_pattern_nothing_is_forwarded_and_one_that_is_none_is_refused():
    assert forward_headers("") is None
    with pytest.raises(re.error):
        forward_headers("(")
