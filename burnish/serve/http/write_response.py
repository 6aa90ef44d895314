"""Response -> JSON, and the binary part after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from burnish.serve.core.classification import classify
from burnish.serve.core.raw_data import bytes_of
from burnish.serve.http.read_request import Call, OutputForm
from burnish.serve.http.text.data import json_of
from burnish.serve.http.text.strings import writable
from burnish.serve.http.text.words import fault
from burnish.serve.request import Response, Tensor

Labels = Callable[[str], Sequence[str] | None]


def write_response(response: Response, call: Call, labels: Labels, has_batch_axis: bool) -> tuple[bytes, list[bytes]]:
    """The JSON part, and the tensors that follow it. labels: of an output's classes. Raises ServeError."""
    assert response.outputs is not None
    out: dict[str, Any] = {"id": writable(response.id)} if response.id else {}
    out["model_name"] = response.model
    out["model_version"] = str(response.version)
    if response.parameters:
        out["parameters"] = response.parameters
    binary: list[bytes] = []
    out["outputs"] = outputs = []
    for tensor in response.outputs:
        form = call.outputs.get(tensor.name, call.default)
        if form.classes:
            tensor = classify(tensor, form.classes, labels(tensor.name), has_batch_axis)
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.data.shape}
        outputs.append(entry)
        if form.is_binary:
            raw = bytes_of(tensor)
            entry["parameters"] = {"binary_data_size": len(raw)}
            if raw:
                binary.append(raw)
        elif form.region is None:
            entry["data"] = json_of(tensor)
        else:
            _write_region(tensor, form)
    return dump(out), binary


def dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _write_region(tensor: Tensor, form: OutputForm) -> None:
    raw = bytes_of(tensor)
    assert form.region is not None
    if len(raw) > form.size:
        raise fault(
            f"shared memory size specified with the request for output '{tensor.name}' ({form.size} bytes) should be "
            f"at least {len(raw)} bytes to hold the results"
        )
    form.region.write(form.offset, raw)
