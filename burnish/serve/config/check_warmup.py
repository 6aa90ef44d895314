"""Samples that run before a model is ready."""

from __future__ import annotations

from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

ANY = -1
_START = "[request id: <id_unknown>] "  # Triton makes requests of samples, and names a request that has no id so


def check_warmup(config: pb.ModelConfig) -> None:
    """Every size is known and every input says what it holds. A sample of no rows is passed over, as in Triton."""
    for sample in config.model_warmup:
        if sample.batch_size == 0:
            continue
        for name, tensor in sorted(sample.inputs.items()):
            if ANY in tensor.dims:
                raise ConfigError(
                    f"warmup setting expects all variable-size dimensions are specified for input '{name}'"
                )
            if any(size < 0 for size in tensor.dims):
                raise ConfigError(f"warmup setting has a negative dimension for input '{name}'")
            if tensor.WhichOneof("input_data_type") is None:
                raise ConfigError(f"{_START}warmup setting expects input '{name}' to have input_data_type set")
