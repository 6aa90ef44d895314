"""A configuration to its scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.serve.proto.model_config_pb2 import ModelConfig, ModelDynamicBatching, ModelQueuePolicy
from burnish.serve.scheduling import Clock, Instance, Scheduler
from burnish.serve.scheduling.batcher import Batcher, BatchRule, batch_rule
from burnish.serve.scheduling.ensemble.run import Find, Model
from burnish.serve.scheduling.ensemble.scheduler import EnsembleScheduler
from burnish.serve.scheduling.job_queue import JobQueue, QueueOptions, QueuePolicy
from burnish.serve.scheduling.observer import Nobody, Observer
from burnish.serve.scheduling.ordering import InOrder
from burnish.serve.scheduling.padding import padding_rule
from burnish.serve.scheduling.pool import InstancePool, Turns
from burnish.serve.scheduling.response_cache import CachingScheduler, ResponseCache
from burnish.serve.scheduling.sequences.implicit_state import ReadFile
from burnish.serve.scheduling.sequences.make import make_sequence_scheduler
from burnish.serve.status import Code, ServeError


def make_scheduler(
    config: ModelConfig,
    instances: Sequence[Instance],
    clock: Clock,
    *,
    observer: Observer | None = None,
    turns: Turns | None = None,
    max_queue_size: int = 0,
    read_file: ReadFile | None = None,
    find: Find | None = None,
    cache: ResponseCache | None = None,
) -> Scheduler:
    """The scheduler of a loaded version.

    observer        whom to tell; statistics are made of it
    turns           shares workers and resources between models; None: an instance starts whenever it is idle
    max_queue_size  for a queue whose configuration sets none; 0: any
    read_file       a file of the model's folder, by its path in it; for initial states
    find            a loaded version by name and number; for the steps of an ensemble
    cache           the server's, if it has one; used by models that ask for it

    raises: ServeError if the configuration asks for what cannot be
    """
    seen = Nobody() if observer is None else observer
    scheduler = _make(config, instances, clock, seen, turns, max_queue_size, read_file, find)
    if cache is not None and config.response_cache.enable and not config.model_transaction_policy.decoupled:
        scheduler = CachingScheduler(scheduler, cache, [t.name for t in config.output], seen)
    return InOrder(scheduler) if config.dynamic_batching.preserve_ordering else scheduler


def _make(
    config: ModelConfig,
    instances: Sequence[Instance],
    clock: Clock,
    observer: Observer,
    turns: Turns | None,
    max_queue_size: int,
    read_file: ReadFile | None,
    find: Find | None,
) -> Scheduler:
    if config.HasField("ensemble_scheduling"):
        return EnsembleScheduler(config, find or no_model, clock, observer, max_queue_size)
    if config.HasField("sequence_batching"):
        return make_sequence_scheduler(config, instances, clock, observer, turns, read_file)
    padding = padding_rule(config)
    if config.HasField("dynamic_batching"):
        batching = config.dynamic_batching
        rule, options = batch_rule(config, batching, padding), queue_options(batching, max_queue_size)
    else:
        rule = BatchRule(max_rows=max(1, config.max_batch_size), max_jobs=1, padding=padding)
        options = QueueOptions(QueuePolicy(max_size=max_queue_size))
    pool = InstancePool(instances, clock, observer, turns)
    return Batcher(rule, JobQueue(options), pool, clock, observer)


def no_model(name: str, version: int) -> Model:
    raise ServeError(Code.NOT_FOUND, f"Request for unknown model: '{name}' is not found")


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
