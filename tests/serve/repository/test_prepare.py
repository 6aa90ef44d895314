import numpy as np
import pytest

from burnish.serve.config.parse_text import parse_text
from burnish.serve.datatypes import NUMPY
from burnish.serve.repository.prepare import Rules, prepare
from burnish.serve.request import Request, StandIn, Tensor
from burnish.serve.status import Code, ServeError

CONFIG = """
name: "m" max_batch_size: 4
input [ { name: "A" data_type: TYPE_INT32 dims: [ 4 ] }, { name: "B" data_type: TYPE_FP32 dims: [ -1, 2 ] } ]
input { name: "C" data_type: TYPE_STRING dims: [ 1 ] optional: true }
output { name: "Y" data_type: TYPE_INT32 dims: [ 4 ] }
"""


def rules(text=CONFIG):
    return Rules.of(parse_text(text))


def tensor(name, datatype, *shape):
    return Tensor(name, datatype, np.zeros(shape, NUMPY[datatype]))


def request(*tensors, **fields):
    return Request("m", {t.name: t for t in tensors}, **fields)


def refusal(made, text=CONFIG):
    with pytest.raises(ServeError) as caught:
        prepare(made, rules(text))
    assert caught.value.code is Code.INVALID_ARG
    return caught.value.message


A, B = tensor("A", "INT32", 2, 4), tensor("B", "FP32", 2, 7, 2)


def test_a_request_that_fits_has_its_rows():
    assert prepare(request(A, B), rules()) == 2
    assert prepare(request(A, B, tensor("C", "BYTES", 2, 1)), rules()) == 2


def test_a_model_without_a_batch_dimension_takes_its_dims_as_they_are():
    text = 'name: "m" input { name: "A" data_type: TYPE_INT32 dims: [ 2, 4 ] }'
    assert prepare(request(A), rules(text)) == 1
    message = refusal(request(tensor("A", "INT32", 4, 2)), text)
    assert (
        message
        == "[request id: <id_unknown>] unexpected shape for input 'A' for model 'm'. Expected [2,4], got [4,2]. "
    )


def test_names_that_the_model_does_not_have_are_told_without_the_request_id():
    assert refusal(request(A, B, wanted=("Z",))) == "unexpected inference output 'Z' for model 'm'"
    assert refusal(request(A, tensor("Q", "FP32", 2, 1), id="7")) == "unexpected inference input 'Q' for model 'm'"


def test_a_count_of_inputs_that_cannot_be_right_lists_what_is_missing():
    assert refusal(request(A, id="7")) == (
        "[request id: 7] expected number of inputs between 2 and 3 but got 1 inputs for model 'm'. Got input(s) ['A'], "
        "but missing required input(s) ['B']. Please provide all required input(s)."
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (tensor("A", "FP32", 2, 4), "inference input 'A' data-type is 'FP32', but model 'm' expects 'INT32'"),
        (tensor("A", "INT32", 3, 4), "input 'A' batch size does not match other inputs for 'm'"),
        (tensor("A", "INT32"), "input 'A' has no shape but model requires batch dimension for 'm'"),
        (
            tensor("A", "INT32", 2, 5),
            "unexpected shape for input 'A' for model 'm'. Expected [-1,4], got [2,5]. NOTE: ",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(wrong, message):
    assert refusal(request(wrong, B)).startswith(f"[request id: <id_unknown>] {message}")


def test_more_rows_than_the_largest_batch_are_refused():
    message = refusal(request(tensor("A", "INT32", 5, 4), tensor("B", "FP32", 5, 1, 2)))
    assert message == "[request id: <id_unknown>] inference request batch-size must be <= 4 for 'm'"


def test_a_priority_out_of_range_becomes_the_default():
    text = CONFIG + "dynamic_batching { priority_levels: 3 default_priority_level: 2 }"
    for given, taken in ((0, 2), (1, 1), (3, 3), (4, 2)):
        made = request(A, B, priority=given)
        prepare(made, rules(text))
        assert made.priority == taken


def test_an_input_is_handed_on_in_the_shape_that_the_model_sees():
    text = """name: "m" max_batch_size: 4
    input { name: "A" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } }
    input { name: "B" data_type: TYPE_FP32 dims: [ -1, 6 ] reshape { shape: [ -1, 2, 3 ] } }"""
    made = request(tensor("A", "FP32", 2, 1), tensor("B", "FP32", 2, 5, 6))
    assert prepare(made, rules(text)) == 2
    assert [t.shape for t in made.inputs.values()] == [(2,), (2, 5, 2, 3)]


def test_rows_are_looked_at_before_types_and_shapes_as_triton_does():
    wide, narrow = tensor("A", "INT32", 9, 5), tensor("B", "FP32", 2, 7, 2)
    assert "batch size does not match" in refusal(request(wide, narrow))
    assert "batch-size must be <= 4" in refusal(request(wide, tensor("B", "INT32", 9, 7)))


def test_an_input_without_rows_lacks_those_of_the_others():
    none = tensor("B", "FP32", 0, 7, 2)
    message = "input byte size mismatch for input 'B' for model 'm'. Expected 112, got 0"
    assert refusal(request(A, none)).endswith(message)
    assert refusal(request(none, A)).endswith("input 'B' batch size does not match other inputs for 'm'")
    message = "expected 2 string elements for inference input 'C' for model 'm', got 0"
    strings = tensor("C", "BYTES", 0, 1)
    assert refusal(request(B, A, strings)).endswith(message)  # Triton looks at C, A, B
    assert "'C' batch size does not match" in refusal(request(B, strings, A))  # and here at A, C, B


def test_the_first_fault_in_the_order_of_tritons_hash_table_is_told():
    three = [tensor(name, "INT8", 2, 4) for name in "ABC"]
    assert "'B'" in refusal(request(*three))  # the table has B, C, A
    assert "'A'" in refusal(request(three[1], three[2], three[0]))


def test_what_is_wrong_with_the_data_is_told_after_type_and_shape_of_the_same_input():
    fault = ServeError(Code.INVALID_ARG, "too short")
    odd = StandIn("A", "INT32", np.empty(0, np.int32), (2, 4), fault)
    assert refusal(request(odd, tensor("B", "INT8", 2, 7, 2))).endswith("expects 'FP32'")  # B comes first
    assert refusal(request(odd, B)) == "too short"
    odd.said = (-1, 4)
    assert refusal(request(odd, B)).endswith("input 'A' batch size does not match other inputs for 'm'")
    odd.said = (2, -1)
    assert "All input dimensions should be specified for input 'A' for model 'm', got [2,-1]" in refusal(
        request(odd, B)
    )


def test_an_input_without_rows_that_would_hold_nothing_gets_those_of_the_others():
    empty = tensor("B", "FP32", 0, 0, 2)
    assert prepare(request(A, empty), rules()) == 2
    assert empty.shape == (2, 0, 2)
