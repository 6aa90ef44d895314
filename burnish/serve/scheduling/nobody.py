"""A job that no one waits for: it fills a place in a batch."""

from __future__ import annotations

from burnish.serve.job import Job
from burnish.serve.request import Request, Response, Tensor
from burnish.serve.scheduling.raw_tensors import zeros


def nobody(like: Job, rows: int | None = None) -> Job:
    """Inputs of the same types and shapes, and no values. rows: its batch size, if not that of `like`."""
    inputs = {}
    for tensor in like.request.inputs.values():
        shape = tensor.shape if rows is None else (rows, *tensor.shape[1:])
        inputs[tensor.name] = Tensor(tensor.name, tensor.datatype, zeros(tensor.datatype, shape))
    request = Request(like.model, inputs, like.request.version)
    return Job(request, like.model, like.version, like.rows if rows is None else rows, _no_reply)


def _no_reply(response: Response) -> None:
    pass
