import numpy as np

from burnish.serve.observe.trace import Trace, data_text, kept, stamps_of
from burnish.serve.request import Tensor
from tests.serve.observe.fakes import finished_job


def test_stamps_that_were_not_reached_are_left_out():
    job = finished_job()
    job.started_ns = job.inputs_ready_ns = job.outputs_ready_ns = 0
    assert [name for name, _ in stamps_of(job)] == ["REQUEST_START", "QUEUE_START", "REQUEST_END"]
    assert Trace(1, "m", 1, "", stamps=stamps_of(job)).stamp("COMPUTE_START") == 0


def test_kept_tensors_do_not_change_with_their_memory():
    data = np.arange(4)
    (copy,) = kept([Tensor("x", "INT64", data)])
    data[:] = 9
    assert copy.data.tolist() == [0, 1, 2, 3]


def test_data_is_written_as_triton_writes_it():
    assert data_text(Tensor("x", "FP32", np.array([[0.5, 1.0]], np.float32))) == "0.5,1.0"
    assert data_text(Tensor("x", "BYTES", np.array([b"a", b"\xff"], object))) == "a,\\xff"
