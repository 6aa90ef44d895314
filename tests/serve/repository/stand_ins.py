"""Versions that nothing computes, and a loader of them."""

import asyncio

from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.repository.version import ModelVersion, Scheduled
from burnish.serve.status import Code, ServeError

TENSORS = 'input { name: "A" data_type: TYPE_INT32 dims: [ 1 ] } output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }'
CONFIG = f'backend: "python" {TENSORS}'


class Held:
    """A scheduler that keeps its jobs until it is told to answer."""

    pending = 0

    def __init__(self):
        self.jobs = []

    def submit(self, job):
        self.jobs.append(job)

    def close(self):
        for job in self.jobs:
            job.fail(ServeError(Code.UNAVAILABLE, "closed"))


class Gone:
    """A backend that notes when it is closed."""

    memory_bytes, instances = 100, ()

    def __init__(self, closed, what):
        self.closed, self.what = closed, what

    async def close(self):
        self.closed.append(self.what)


class Loads:
    """Stands in for VersionLoader."""

    def __init__(self):
        self.fail, self.closed, self.count = {}, [], 0

    async def __call__(self, config, folder, number, tell):
        tell("reading")
        await asyncio.sleep(0)
        if (config.name, number) in self.fail:
            raise self.fail[config.name, number]
        self.count += 1
        backend = Gone(self.closed, (config.name, number, self.count))
        return ModelVersion(number, config, backend, Scheduled(Held()), ModelStatistics(), {})


def model(root, name, versions=(1,), config=CONFIG):
    for version in versions:
        (root / name / str(version)).mkdir(parents=True)
    (root / name / "config.pbtxt").write_text(config)


def change(root, name):
    """A file more, so that the model is another one."""
    (root / name / f"note{len(list((root / name).iterdir()))}").write_text("")


def run(coroutine):
    return asyncio.run(coroutine)
