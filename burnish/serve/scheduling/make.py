"""A configuration to its scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.proto.model_config_pb2 import ModelConfig, ModelDynamicBatching, ModelQueuePolicy
from burnish.serve.scheduling import Clock, Instance, Scheduler
from burnish.serve.scheduling.batcher import Batcher, BatchRule, batch_rule
from burnish.serve.scheduling.job_queue import JobQueue, QueueOptions, QueuePolicy
from burnish.serve.scheduling.observer import Nobody, Observer
from burnish.serve.scheduling.ordering import AnswerOrder
from burnish.serve.scheduling.pool import InstancePool, Turns
from burnish.serve.scheduling.sequences.implicit_state import ReadFile
from burnish.serve.scheduling.sequences.make import make_sequence_scheduler


def make_scheduler(
    config: ModelConfig,
    instances: Sequence[Instance],
    clock: Clock,
    *,
    observer: Observer | None = None,
    turns: Turns | None = None,
    max_queue_size: int = 0,
    read_file: ReadFile | None = None,
) -> Scheduler:
    """The scheduler of a loaded version.

    observer        whom to tell; statistics are made of it
    turns           shares workers and resources between models; None: an instance starts whenever it is idle
    max_queue_size  for a queue whose configuration sets none; 0: any
    read_file       a file of the model's folder, by its path in it; for initial states
    """
    seen = observer or Nobody()
    if config.HasField("sequence_batching"):
        return make_sequence_scheduler(config, instances, clock, seen, turns, read_file)
    pool = InstancePool(instances, clock, seen, turns)
    if config.HasField("dynamic_batching"):
        batching = config.dynamic_batching
        queue = JobQueue(queue_options(batching, max_queue_size))
        order = AnswerOrder() if batching.preserve_ordering else None
        return Batcher(batch_rule(config, batching), queue, pool, clock, seen, order)
    queue = JobQueue(QueueOptions(QueuePolicy(max_size=max_queue_size)))
    return Batcher(BatchRule(max_rows=max(1, config.max_batch_size), max_jobs=1), queue, pool, clock, seen)


def queue_options(batching: ModelDynamicBatching, max_queue_size: int = 0) -> QueueOptions:
    levels = batching.priority_levels
    return QueueOptions(
        default=queue_policy(batching.default_queue_policy, max_queue_size),
        levels=levels,
        default_level=batching.default_priority_level,
        by_level={n: queue_policy(p, max_queue_size) for n, p in batching.priority_queue_policy.items()}
        if levels
        else {},
    )


def queue_policy(policy: ModelQueuePolicy, max_queue_size: int = 0) -> QueuePolicy:
    return QueuePolicy(
        timeout_us=policy.default_timeout_microseconds,
        delays=policy.timeout_action == ModelQueuePolicy.DELAY,
        allows_own_timeout=policy.allow_timeout_override,
        max_size=policy.max_queue_size or max_queue_size,
    )
