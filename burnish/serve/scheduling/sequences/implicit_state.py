"""State that a sequence's request leaves for the next one: an output of one run is an input of the next.

The first request gets the initial value that the configuration gives, else zeros with 1 for each free dimension. A
state output is no answer for the client unless the configuration lists it as an output too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from burnish.serve.datatypes import protocol_name
from burnish.serve.job import Job
from burnish.serve.proto.model_config_pb2 import DataType, ModelConfig, ModelSequenceBatching
from burnish.serve.request import Tensor
from burnish.serve.scheduling.raw_tensors import decode, zeros

ReadFile = Callable[[str], bytes]
State = dict[str, Tensor]  # by the input's name


@dataclass(frozen=True, slots=True)
class StateRule:
    """inputs: a state output's name to the input that it becomes. initial: what a sequence starts with.
    hidden: state outputs that are no outputs of the model."""

    inputs: Mapping[str, str]
    initial: Mapping[str, Tensor]
    hidden: frozenset[str]

    def put_in(self, job: Job, state: State) -> None:
        """Give a job its sequence's state, and keep what it leaves. The first of a sequence gets the initial values."""
        sequence = job.request.sequence
        if sequence is not None and sequence.is_start:
            state.clear()
        for name, tensor in self.initial.items():
            job.request.inputs[name] = state.get(name, tensor)

        def keep(outputs: list[Tensor]) -> list[Tensor]:
            for tensor in outputs:
                name = self.inputs.get(tensor.name)
                if name is not None:
                    state[name] = Tensor(name, tensor.datatype, tensor.data)
            return [t for t in outputs if t.name not in self.hidden]

        job.on_outputs = keep


def state_rule(config: ModelConfig, read_file: ReadFile) -> StateRule | None:
    """None for a model without states.

    read_file: a file of the model's folder `initial_state` by its name
    raises:    INVALID_ARG if a file does not hold the bytes that the dimensions ask for
    """
    states = config.sequence_batching.state
    if not states:
        return None
    outputs = {t.name for t in config.output}
    has_batch = config.max_batch_size > 0
    return StateRule(
        inputs={s.output_name: s.input_name for s in states},
        initial={s.input_name: _initial(s, has_batch, read_file) for s in states},
        hidden=frozenset(s.output_name for s in states) - outputs,
    )


def _initial(state: ModelSequenceBatching.State, has_batch: bool, read_file: ReadFile) -> Tensor:
    name, datatype = state.input_name, protocol_name(DataType.Name(state.data_type))
    batch = (1,) if has_batch else ()
    for initial in state.initial_state:  # one at most
        shape = (*batch, *initial.dims)
        if initial.WhichOneof("state_data") == "data_file":
            content = read_file(initial.data_file)
            return Tensor(name, datatype, decode(content, datatype, shape, f"initial state '{name}'"))
        return Tensor(name, datatype, zeros(datatype, shape))
    return Tensor(name, datatype, zeros(datatype, (*batch, *(1 if n < 0 else n for n in state.dims))))
