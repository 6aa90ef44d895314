"""Trace files in Triton's form."""

import json

import numpy as np

from burnish.serve.observe.trace import Trace
from burnish.serve.observe.trace_settings import TraceSetting
from burnish.serve.observe.write_traces import WriteTraces
from burnish.serve.request import Tensor

BOTH = ("TIMESTAMPS", "TENSORS")


def trace(number, **more):
    return Trace(number, "m", 2, f"r{number}", stamps=[("REQUEST_START", 5), ("REQUEST_END", 9)], **more)


def written(setting, *traces):
    writer = WriteTraces()
    for t in traces:
        writer.write(setting, t)
    writer.close()


def test_a_file_is_an_array_of_heads_timestamps_and_tensors(tmp_path):
    step = Trace(8, "inner", 1, "r7", parent_id=7)
    tensor = ("TENSOR_QUEUE_INPUT", Tensor("x", "FP32", np.array([[0.5, 2.0]], np.float32)))
    setting = TraceSetting(levels=BOTH, file=str(tmp_path / "t.json"))
    written(setting, trace(7, tensors=[tensor], steps=[step]))
    assert json.loads((tmp_path / "t.json").read_text()) == [
        {"id": 7, "model_name": "m", "model_version": 2, "request_id": "r7"},
        {"id": 7, "timestamps": [{"name": "REQUEST_START", "ns": 5}]},
        {"id": 7, "timestamps": [{"name": "REQUEST_END", "ns": 9}]},
        {
            "id": 7,
            "activity": "TENSOR_QUEUE_INPUT",
            "tensor": {"name": "x", "data": "0.5,2.0", "shape": "1,2", "dtype": "FP32"},
        },
        {"id": 8, "model_name": "inner", "model_version": 1, "request_id": "r7", "parent_id": 7},
    ]


def test_with_a_log_frequency_a_new_file_begins_every_so_many_traces(tmp_path):
    setting = TraceSetting(levels=BOTH, file=str(tmp_path / "t"), log_frequency=2)
    written(setting, *(trace(n) for n in range(1, 6)))
    ids = {p.name: [e["id"] for e in json.loads(p.read_text()) if "model_name" in e] for p in tmp_path.iterdir()}
    assert ids == {"t.0": [1, 2], "t.1": [3, 4], "t.2": [5]}


def test_traces_of_two_files_in_turns_go_on_where_each_ended(tmp_path):
    one, two = (TraceSetting(levels=BOTH, file=str(tmp_path / n)) for n in ("one", "two"))
    writer = WriteTraces()
    for number, setting in enumerate((one, two, one, two), 1):
        writer.write(setting, trace(number))
    writer.close()
    for name, expected in (("one", [1, 3]), ("two", [2, 4])):
        found = json.loads((tmp_path / name).read_text())
        assert [e["id"] for e in found if "model_name" in e] == expected


def test_a_folder_that_is_not_there_costs_traces_and_nothing_else(tmp_path):
    bad = TraceSetting(levels=BOTH, file=str(tmp_path / "none" / "t"))
    good = TraceSetting(levels=BOTH, file=str(tmp_path / "t"))
    writer = WriteTraces()
    writer.write(bad, trace(1))
    writer.write(good, trace(2))
    writer.close()
    assert json.loads((tmp_path / "t").read_text())[0]["id"] == 2


def test_what_waits_beyond_a_number_is_counted_and_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("burnish.serve.observe.write_traces._MOST_WAITING", 0)
    writer = WriteTraces()
    writer.write(TraceSetting(levels=BOTH, file=str(tmp_path / "t")), trace(1))
    writer.close()
    assert (writer.dropped, list(tmp_path.iterdir())) == (1, [])
