"""Requests of the v2 protocol over HTTP as bytes: infer with binary or JSON tensors, and generate_stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from burnish.perf.client.endpoint import Endpoint
from burnish.perf.client.shared_memory import Region
from burnish.perf.data.model import Model
from burnish.perf.data.read_data import Step
from burnish.perf.data.tensor import Tensor
from burnish.perf.options import Options, Scalar


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """head: request line and headers without the lengths; fields: the JSON object; binary: the tensors behind it.

    parameters: the request's own; nested: they stand in an object of their own, as infer wants them
    """

    head: bytes
    fields: Mapping[str, Any]
    binary: bytes
    parameters: Mapping[str, Scalar]
    nested: bool = True

    def render(self, parameters: Mapping[str, Scalar]) -> bytes:
        """The bytes to send, with these parameters besides the request's own."""
        together = {**self.parameters, **parameters}
        extra = {"parameters": together} if self.nested and together else together
        text = json.dumps({**self.fields, **extra}, separators=(",", ":")).encode()
        lengths = f"Content-Length: {len(text) + len(self.binary)}\r\n"
        if self.binary:
            lengths += f"Inference-Header-Content-Length: {len(text)}\r\n"
        return b"".join((self.head, lengths.encode(), b"\r\n", text, self.binary))


def infer_request(
    endpoint: Endpoint, model: Model, step: Step, options: Options, regions: tuple[Region, Region] | None = None
) -> HttpRequest:
    """regions: where the inputs lie in shared memory, and where the outputs go. Otherwise they travel."""
    binary = b""
    parameters: dict[str, Scalar] = dict(options.parameters)
    fields: dict[str, Any] = {}
    if regions is not None:
        fields["inputs"] = [{**_entry(t), "parameters": regions[0].place(t.name)} for t in step]
        fields["outputs"] = [{"name": o.name, "parameters": regions[1].place(o.name)} for o in model.outputs]
    elif options.encoding == "json":
        fields["inputs"] = [{**_entry(t), "data": t.to_json()} for t in step]
    else:
        parts = [t.to_bytes() for t in step]
        fields["inputs"] = [{**_entry(t), "parameters": {"binary_data_size": len(p)}} for t, p in zip(step, parts)]
        binary = b"".join(parts)
        parameters["binary_data_output"] = True
    head = _head(endpoint, model, "infer", options, "application/octet-stream" if binary else "application/json")
    return HttpRequest(head, fields, binary, parameters)


def stream_request(endpoint: Endpoint, model: Model, step: Step, options: Options) -> HttpRequest:
    """Triton's generate_stream: inputs by name, one value or a flat list each; the answer is server-sent events."""
    fields: dict[str, Any] = {}
    for tensor in step:
        values = tensor.to_json()
        fields[tensor.name] = values[0] if len(values) == 1 else values
    head = _head(endpoint, model, "generate_stream", options, "application/json")
    return HttpRequest(head, fields, b"", options.parameters, nested=False)


def _head(endpoint: Endpoint, model: Model, action: str, options: Options, content: str) -> bytes:
    path = f"{endpoint.path}/v2/models/{quote(model.name, safe='')}"
    if model.version:
        path += f"/versions/{quote(model.version, safe='')}"
    headers = {"Host": endpoint.authority, "Content-Type": content, **options.headers}
    lines = [f"POST {path}/{action} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), ""]
    return "\r\n".join(lines).encode()


def _entry(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
