"""A sequence scheduler over fake instances."""

from burnish.serve.scheduling.make import make_scheduler
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, Seen, config, submit

HEAD = 'name: "m" input { name: "IN" data_type: TYPE_FP32 dims: -1 } '
CONTROLS = """
  control_input { name: "START" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }
  control_input { name: "END" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [ 0, 2 ] } }
  control_input { name: "READY" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [ false, true ] } }
  control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
"""


class Bench:
    def __init__(self, strategy="direct { }", rows=2, instances=1, controls=CONTROLS, more="", **options):
        self.clock, self.seen = FakeClock(), Seen()
        self.instances = [FakeInstance(f"i{n}", clock=self.clock) for n in range(instances)]
        self.instance = self.instances[0]
        text = f"{HEAD} max_batch_size: {rows} sequence_batching {{ {strategy} {controls} {more} }}"
        self.scheduler = make_scheduler(config(text), self.instances, self.clock, observer=self.seen, **options)

    def submit(self, id, key, flags="", **fields):
        """flags: s starts, e ends."""
        return submit(self.scheduler, id, sequence=(key, "s" in flags, "e" in flags), **fields)

    def end_all(self):
        while running := [i for i in self.instances if i.running]:
            for instance in running:
                instance.end()

    @property
    def slots(self):
        """Of the last batch: the request's id in each slot; "" for nobody."""
        return self.instance.ids[-1]


def controls_of(job):
    return {name: t.data.reshape(-1)[0] for name, t in job.request.inputs.items() if name != "IN"}
