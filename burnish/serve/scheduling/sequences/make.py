"""A sequence model's configuration to its scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.scheduling import Clock, Instance
from burnish.serve.scheduling.batch_shape import shape_key
from burnish.serve.scheduling.batcher import Batcher, batch_rule
from burnish.serve.scheduling.job_queue import JobQueue
from burnish.serve.scheduling.observer import Observer
from burnish.serve.scheduling.ordering import InOrder
from burnish.serve.scheduling.padding import padding_rule
from burnish.serve.scheduling.pool import InstancePool, Turns
from burnish.serve.scheduling.sequences.control_inputs import control_inputs
from burnish.serve.scheduling.sequences.direct import DirectRule, DirectStrategy
from burnish.serve.scheduling.sequences.implicit_state import ReadFile, state_rule
from burnish.serve.scheduling.sequences.oldest import OldestStrategy
from burnish.serve.scheduling.sequences.scheduler import SequenceScheduler
from burnish.serve.status import Code, ServeError


def make_sequence_scheduler(
    config: ModelConfig,
    instances: Sequence[Instance],
    clock: Clock,
    observer: Observer,
    turns: Turns | None,
    read_file: ReadFile | None,
) -> SequenceScheduler:
    batching = config.sequence_batching
    controls, max_rows = control_inputs(config), max(1, config.max_batch_size)
    states = state_rule(config, lambda name: (read_file or no_file)(f"initial_state/{name}"))
    padding = padding_rule(config)
    shape_of = shape_key(config, padding.padded_shape if padding else None)
    strategies: list[DirectStrategy | OldestStrategy] = []
    for instance in instances:
        pool = InstancePool([instance], clock, observer, turns)
        if batching.HasField("oldest"):
            oldest = batching.oldest
            batcher = Batcher(batch_rule(config, oldest, padding), JobQueue(), pool, clock, observer)
            in_order = InOrder(batcher) if oldest.preserve_ordering else batcher
            strategies.append(OldestStrategy(max(oldest.max_candidate_sequences, 0) or max_rows, in_order))
        else:
            direct = batching.direct
            delay_ns = direct.max_queue_delay_microseconds * 1000
            rule = DirectRule(max_rows, delay_ns, direct.minimum_slot_utilization, shape_of, padding)
            strategies.append(DirectStrategy(rule, pool, controls, clock))
    idle_ns = (batching.max_sequence_idle_microseconds or 1_000_000) * 1000
    scheduler = SequenceScheduler(strategies, controls, states, idle_ns, clock, observer)
    for strategy in strategies:
        strategy.scheduler = scheduler
    return scheduler


def no_file(name: str) -> bytes:
    raise ServeError(Code.NOT_FOUND, f"the model has no file {name}")
