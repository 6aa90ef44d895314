import asyncio

import numpy as np
import pytest

from burnish.serve.scheduling.warmup import warm_up, warmup_samples
from burnish.serve.status import Code, ServeError, invalid
from tests.serve.scheduling.fakes import FakeInstance, config

WARMUP = """name: "m" max_batch_size: 4
model_warmup { name: "one" batch_size: 2 count: 3
  inputs { key: "Z" value { data_type: TYPE_FP32 dims: 2 zero_data: true } }
  inputs { key: "R" value { data_type: TYPE_INT8 dims: 3 random_data: true } }
  inputs { key: "F" value { data_type: TYPE_STRING dims: 1 input_data_file: "words" } } }
"""
WORDS = b"\x01\x00\x00\x00a\x02\x00\x00\x00bc"


def files(name):
    assert name == "warmup/words"
    return WORDS


def test_samples_have_zeros_random_values_or_what_a_file_holds():
    (sample,) = warmup_samples(config(WARMUP), files)
    inputs = {t.name: t for t in sample.inputs}
    assert (sample.name, sample.rows, sample.count) == ("one", 2, 3)
    assert inputs["Z"].data.tolist() == [[0, 0], [0, 0]]
    assert inputs["R"].shape == (2, 3) and inputs["R"].data.dtype == np.int8 and np.ptp(inputs["R"].data) > 0
    assert inputs["F"].data.tolist() == [[b"a"], [b"bc"]]


@pytest.mark.parametrize("datatype", ["STRING", "BOOL", "FP16", "BF16", "UINT64"])
def test_random_values_are_of_every_type_and_the_same_at_every_start(datatype):
    text = f"""model_warmup {{ name: "r" batch_size: 0 inputs {{ key: "R"
        value {{ data_type: TYPE_{datatype} dims: 20 random_data: true }} }} }}"""
    found = [warmup_samples(config(text), files)[0].inputs[0].data for _ in range(2)]
    assert found[0].shape == (20,) and found[0].tolist() == found[1].tolist() and len(set(found[0].tolist())) > 1


def test_a_file_of_the_wrong_length_is_refused():
    with pytest.raises(ServeError, match="the file of warm-up input 'F' must hold 2 strings"):
        warmup_samples(config(WARMUP), lambda name: b"")


def test_every_sample_runs_on_every_instance_as_often_as_it_asks():
    instances = [FakeInstance(n, in_place=True) for n in "ab"]
    asyncio.run(warm_up(config(WARMUP), 1, instances, files))
    assert [i.ids for i in instances] == [[["one"]] * 3] * 2
    assert instances[0].rows == [2, 2, 2]


def test_an_error_of_a_sample_is_raised():
    instance = FakeInstance(in_place=True, error_of=lambda job: invalid("no"))
    with pytest.raises(ServeError) as error:
        asyncio.run(warm_up(config(WARMUP), 1, [instance], files))
    assert (error.value.code, error.value.message) == (Code.INVALID_ARG, "warm-up sample 'one': no")


def test_without_samples_nothing_runs():
    instance = FakeInstance(in_place=True)
    asyncio.run(warm_up(config(""), 1, [instance], files))
    assert instance.batches == []


def test_a_sample_of_a_sequence_model_is_a_whole_sequence_with_its_first_state():
    text = """model_warmup { name: "s" batch_size: 1 inputs { key: "X" value { data_type: TYPE_FP32 dims: 1 } } }
    sequence_batching {
      control_input { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }
      state { input_name: "S" output_name: "T" data_type: TYPE_FP32 dims: 2 } }"""
    instance = FakeInstance(in_place=True)
    asyncio.run(warm_up(config(text), 1, [instance], files))
    inputs = instance.batches[0][0].request.inputs
    assert inputs["START"].data.tolist() == [1] and inputs["S"].data.tolist() == [0, 0]
