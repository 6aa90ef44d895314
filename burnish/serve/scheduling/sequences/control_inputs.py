"""The inputs by which a sequence model is told where in a sequence a request stands.

START, END and READY have one value for false and one for true; CORRID is the sequence's id. All have shape [1], or
[1, 1] with a batch dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from burnish.serve.datatypes import BYTES, NUMPY, protocol_name
from burnish.serve.proto.model_config_pb2 import DataType, ModelConfig, ModelSequenceBatching
from burnish.serve.request import Request, Sequence, Tensor
from burnish.serve.status import invalid

Kind = ModelSequenceBatching.Control
SequenceId = int | str
_ROOM_FOR_TEXTS = ("UINT64", "INT64")  # numbers of 32 bits would soon be the same for two texts


@dataclass(frozen=True, slots=True)
class Flag:
    """A control that is true or false."""

    kind: int
    false: Tensor
    true: Tensor


@dataclass(frozen=True, slots=True)
class ControlInputs:
    """flags: START, END and READY, those that the model has. id_name: "" if it has no CORRID."""

    flags: tuple[Flag, ...]
    id_name: str
    id_type: str
    shape: tuple[int, ...]

    def of(self, sequence: Sequence) -> dict[str, Tensor]:
        """What is added to a request's inputs."""
        told: dict[int, bool] = {
            Kind.CONTROL_SEQUENCE_START: sequence.is_start,
            Kind.CONTROL_SEQUENCE_END: sequence.is_end,
        }
        added = {f.true.name: f.true if told.get(f.kind, True) else f.false for f in self.flags}
        if self.id_name:
            added[self.id_name] = self._id(sequence.id)
        return added

    def of_nobody(self) -> dict[str, Tensor]:
        """What a place in the batch gets where no request stands: READY is false, and nothing else means anything."""
        added = {f.false.name: f.false for f in self.flags}
        if self.id_name:
            added[self.id_name] = self._id("" if self.id_type == BYTES else 0)
        return added

    def check(self, request: Request) -> None:
        """raises INVALID_ARG for a number where the model takes a text, and a text where it takes 32 bits."""
        if not self.id_name or request.sequence is None:
            return
        is_text = isinstance(request.sequence.id, str)
        if is_text == (self.id_type == BYTES) or (is_text and self.id_type in _ROOM_FOR_TEXTS):
            return
        given = BYTES if is_text else "UINT64"
        raise invalid(
            f"sequence batching control '{self.id_name}' data-type is '{given}', "
            f"but model '{request.model}' expects '{self.id_type}'"
        ).of_request(request.id)

    def _id(self, id: SequenceId) -> Tensor:
        if self.id_type == BYTES:
            data = np.empty(self.shape, np.object_)
            data.fill(str(id).encode())
        else:
            # The low bytes, as a number that is too large is stored.
            number = _number_of(id) if isinstance(id, str) else id
            data = np.full(self.shape, number & 0xFFFFFFFFFFFFFFFF, np.uint64).astype(NUMPY[self.id_type])
        return Tensor(self.id_name, self.id_type, data)


def control_inputs(config: ModelConfig) -> ControlInputs:
    shape = (1, 1) if config.max_batch_size else (1,)
    flags, id_name, id_type = [], "", ""
    for entry in config.sequence_batching.control_input:
        for control in entry.control:
            if control.kind == Kind.CONTROL_SEQUENCE_CORRID:
                id_name, id_type = entry.name, protocol_name(DataType.Name(control.data_type))
            else:
                flags.append(_flag(entry.name, control, shape))
    return ControlInputs(tuple(flags), id_name, id_type, shape)


def _flag(name: str, control: ModelSequenceBatching.Control, shape: tuple[int, ...]) -> Flag:
    given = {"INT32": control.int32_false_true, "FP32": control.fp32_false_true, "BOOL": control.bool_false_true}
    datatype, values = next((d, v) for d, v in given.items() if v)  # a checked configuration has one of them
    false, true = (Tensor(name, datatype, np.full(shape, v, NUMPY[datatype])) for v in values)
    return Flag(control.kind, false, true)


def _number_of(id: str) -> int:
    """64 bits that stand for a text where the model takes a number: for each text the same, in every process."""
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
