"""What must be equal for two requests to share a batch.

Inputs with a free dimension have equal shapes, but for the batch, unless they allow a ragged batch; shape tensors have
equal values; with optional inputs, the same ones are given.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from burnish.serve.job import Job
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.request import Tensor

ShapeKey = Callable[[Job], Hashable]
PaddedShape = Callable[[str, tuple[int, ...]], tuple[int, ...]]


def shape_key(config: ModelConfig, padded_shape: PaddedShape | None = None) -> ShapeKey | None:
    """None if nothing can differ. padded_shape: an input's shape, without the batch, as it will be when it runs."""
    shaped = tuple(t.name for t in config.input if -1 in t.dims and not t.allow_ragged_batch and not t.is_shape_tensor)
    valued = tuple(t.name for t in config.input if t.is_shape_tensor)
    some_optional = any(t.optional for t in config.input)
    if not shaped and not valued and not some_optional:
        return None
    offset = 1 if config.max_batch_size else 0
    if len(shaped) == 1 and padded_shape is None and not valued and not some_optional:
        only = shaped[0]
        return lambda job: job.request.inputs[only].data.shape[offset:]

    def shape_of(name: str, tensor: Tensor) -> tuple[int, ...]:
        shape = tensor.data.shape[offset:]
        return shape if padded_shape is None else padded_shape(name, shape)

    def key(job: Job) -> Hashable:
        inputs = job.request.inputs
        shapes = tuple(shape_of(n, inputs[n]) for n in shaped if n in inputs)
        values = tuple((inputs[n].data.shape, inputs[n].data.tobytes()) for n in valued if n in inputs)
        return shapes, values, frozenset(inputs) if some_optional else None

    return key
