"""Sequence batching: controls, strategies, and the states that one request leaves for the next."""

from __future__ import annotations

from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.show import type_name
from burnish.serve.proto import model_config_pb2 as pb

Control = pb.ModelSequenceBatching.Control
_FLAGS = (Control.CONTROL_SEQUENCE_START, Control.CONTROL_SEQUENCE_END, Control.CONTROL_SEQUENCE_READY)
_VALUES = ("int32_false_true", "fp32_false_true", "bool_false_true")
_CORRID_TYPES = (pb.TYPE_UINT64, pb.TYPE_INT64, pb.TYPE_UINT32, pb.TYPE_INT32, pb.TYPE_STRING)


def check_sequence(config: pb.ModelConfig) -> None:
    name, batching = config.name, config.sequence_batching
    if config.response_cache.enable:
        raise ConfigError(
            f"Response Cache does not currently support model {name} with sequence batching scheduler. "
            "Please disable the response cache."
        )
    for kind in (*_FLAGS, Control.CONTROL_SEQUENCE_CORRID):
        _check_control(config, kind)
    for size in batching.oldest.preferred_batch_size:
        if size <= 0:
            raise ConfigError(f"sequence batching preferred batch size must be positive for {name}")
        if size > config.max_batch_size:
            raise ConfigError(f"sequence batching preferred batch size must be <= max batch size for {name}")
    if not 0.0 <= batching.direct.minimum_slot_utilization <= 1.0:
        raise ConfigError(f"sequence batching minimum slot utilization must be in range (0.0, 1.0] for {name}")


def check_states(config: pb.ModelConfig) -> None:
    """Initial values of implicit states. Triton finds these when it makes the scheduler, after the model is loaded."""
    seen: set[str] = set()
    for state in config.sequence_batching.state:
        if state.data_type == pb.TYPE_INVALID:  # Triton finds out when the model's first answer has a state
            raise ConfigError(f"state '{state.input_name}' must specify 'data_type' for {config.name}")
        if len(state.initial_state) > 1:
            raise ConfigError(
                f"initial_state field for state input '{state.input_name}' must contain exactly one or zero element. "
                f"Found '{len(state.initial_state)}' elements."
            )
        for initial in state.initial_state:
            _check_initial(state, initial, is_repeated=state.input_name in seen)
            seen.add(state.input_name)


def _check_control(config: pb.ModelConfig, kind: int) -> None:
    name, kind_name = config.name, Control.Kind.Name(kind)
    tensors: set[str] = set()
    found = None
    for given in config.sequence_batching.control_input:
        if not given.name:
            raise ConfigError(f"sequence batching control tensor must have a name for {name}")
        if given.name in tensors:
            raise ConfigError(
                f"sequence batching control tensor '{given.name}' is specified for multiple control kinds for {name}"
            )
        tensors.add(given.name)
        for control in given.control:
            if control.kind != kind:
                continue
            if found is not None:
                raise ConfigError(f"sequence batching specifies multiple {kind_name} tensors for {name}")
            found = control
            if kind == Control.CONTROL_SEQUENCE_CORRID:
                _check_no_values(control, f"{kind_name} for {name}")
            else:
                _check_values(control, f"{kind_name} for {name}")
    if found is not None and kind == Control.CONTROL_SEQUENCE_CORRID and found.data_type not in _CORRID_TYPES:
        allowed = [type_name(t) for t in _CORRID_TYPES]
        raise ConfigError(
            f"unexpected data type for control {kind_name} for {name}. Allowed data types are "
            f"{', '.join(allowed[:-1])} and {allowed[-1]}"
        )


def _check_values(control: pb.ModelSequenceBatching.Control, whose: str) -> None:
    given = [field for field in _VALUES if len(getattr(control, field))]
    quoted = [f"'{field}'" for field in _VALUES]
    if not given:
        either = f"{quoted[0]}, {quoted[1]} or {quoted[2]}"
        raise ConfigError(f"sequence batching must specify either {either} for {whose}")
    if len(given) > 1:
        several = f"{quoted[0]}, {quoted[1]} and {quoted[2]}"
        raise ConfigError(f"sequence batching specifies more than one from {several} for {whose}")
    if len(getattr(control, given[0])) != 2:
        raise ConfigError(f"sequence batching control '{given[0]}' must have exactly 2 entries for {whose}")


def _check_no_values(control: pb.ModelSequenceBatching.Control, whose: str) -> None:
    if any(len(getattr(control, field)) for field in _VALUES):
        either = "'int32_false_true', 'fp32_false_true' or 'bool_false_true'"
        raise ConfigError(f"sequence batching must not specify either {either} for {whose}")


def _check_initial(
    state: pb.ModelSequenceBatching.State, initial: pb.ModelSequenceBatching.InitialState, is_repeated: bool
) -> None:
    name = state.input_name
    if initial.data_type != state.data_type:
        raise ConfigError(
            f"The data type used for 'initial_state' field of state '{name}' does not match the state data type."
        )
    if not initial.name:
        raise ConfigError(f"Field 'name' must be set when using initial_state for state input '{name}'.")
    if is_repeated:
        raise ConfigError(f"State input name '{name}' specified more than once.")
    if len(initial.dims) != len(state.dims):
        raise ConfigError(
            "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input "
            f"'{name}'. {len(initial.dims)} != {len(state.dims)}"
        )
    for size, of_state in zip(initial.dims, state.dims):
        if size == -1:
            raise ConfigError(f"'initial_state' field for state input name '{name}' contains variable dimensions.")
        if size < -1:
            raise ConfigError(f"'initial_state' field for state input name '{name}' has the dimension {size}")
        if of_state not in (-1, size):
            raise ConfigError(
                f"'initial_state' dim for input name '{name}' doesn't match 'state' dim description. "
                f"{size} != {of_state}"
            )
    if initial.WhichOneof("state_data") is None:
        raise ConfigError(f"initial_state setting expects state'{name}' to have state_data set")
