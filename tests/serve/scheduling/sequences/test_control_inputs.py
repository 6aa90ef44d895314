import numpy as np
import pytest

from burnish.serve.request import Request, Sequence
from burnish.serve.scheduling.sequences.control_inputs import control_inputs
from burnish.serve.status import ServeError
from tests.serve.scheduling.fakes import config
from tests.serve.scheduling.sequences.bench import CONTROLS


def controls(text=CONTROLS, rows=2):
    return control_inputs(config(f"max_batch_size: {rows} sequence_batching {{ {text} }}"))


def of_id(datatype, id):
    made = controls(
        f'control_input {{ name: "ID" control {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_{datatype} }} }}'
    )
    return made.of(Sequence(id))["ID"]


def test_values_have_the_type_in_which_the_configuration_gives_them():
    added = controls().of(Sequence(7, is_start=True))
    assert {n: (t.datatype, t.data.tolist(), t.shape) for n, t in added.items()} == {
        "START": ("INT32", [[1]], (1, 1)),
        "END": ("FP32", [[0.0]], (1, 1)),
        "READY": ("BOOL", [[True]], (1, 1)),
        "ID": ("UINT64", [[7]], (1, 1)),
    }
    assert added["START"].data.dtype == np.int32


def test_without_a_batch_dimension_they_have_one_dimension():
    assert {t.shape for t in controls(rows=0).of(Sequence(7)).values()} == {(1,)}


@pytest.mark.parametrize(
    "datatype, id, stored",
    [("UINT64", 2**64 - 1, 2**64 - 1), ("INT64", 2**64 - 1, -1), ("UINT32", 2**32 + 5, 5), ("INT32", 2**31, -(2**31)),
     ("INT64", -3, -3), ("STRING", "abc", b"abc")],
)  # fmt: skip
def test_an_id_has_the_type_that_the_model_asks_for_by_its_low_bytes(datatype, id, stored):
    tensor = of_id(datatype, id)
    assert tensor.data.tolist() == [[stored]]
    assert tensor.datatype == ("BYTES" if datatype == "STRING" else datatype)


def test_a_number_for_a_model_that_takes_texts_is_refused():
    made = controls('control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }')
    made.check(Request("m", {}, sequence=Sequence("a")))
    with pytest.raises(ServeError) as error:
        made.check(Request("m", {}, sequence=Sequence(5)))
    assert error.value.message == (
        "[request id: <id_unknown>] sequence batching control 'ID' data-type is 'UINT64', but model 'm' expects 'BYTES'"
    )


@pytest.mark.parametrize("datatype", ["UINT64", "INT64"])
def test_a_text_for_a_model_that_takes_64_bits_becomes_a_number_of_its_own(datatype):
    made = controls(
        f'control_input {{ name: "ID" control {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_{datatype} }} }}'
    )
    texts = ["a", "b", "abcd", "abcde", "7", "\udc80"]
    for text in texts:
        made.check(Request("m", {}, sequence=Sequence(text)))
    numbers = [made.of(Sequence(text))["ID"].data.item() for text in texts]
    assert len(set(numbers)) == len(texts)
    assert numbers == [made.of(Sequence(text))["ID"].data.item() for text in texts]
    # BLAKE2b with 8 bytes of "a", the lowest first: the same in every process.
    assert numbers[0] % 2**64 == int.from_bytes(bytes.fromhex("40f89e395b66422f"), "little")


@pytest.mark.parametrize("datatype", ["UINT32", "INT32"])
def test_a_text_for_a_model_that_takes_32_bits_is_refused(datatype):
    made = controls(
        f'control_input {{ name: "ID" control {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_{datatype} }} }}'
    )
    with pytest.raises(ServeError, match=f"'ID' data-type is 'BYTES', but model 'm' expects '{datatype}'"):
        made.check(Request("m", {}, sequence=Sequence("abc")))


def test_without_controls_nothing_is_added_or_refused():
    made = controls("")
    assert made.of(Sequence(1)) == made.of_nobody() == {}
    made.check(Request("m", {}, sequence=Sequence("a")))
