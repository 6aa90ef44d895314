from collections import Counter

import numpy as np

from burnish.serve.config.options.options import Shadow
from burnish.serve.request import NEWEST, Request, Response, Sequence
from burnish.serve.scheduling.traffic.shadow import MOST, ShadowTraffic
from burnish.serve.status import invalid
from tests.serve.scheduling.fakes import tensor


class Bench:
    def __init__(self, part=1.0):
        self.asked, self.reports, self.told, self.skipped = [], [], [], []
        self.error = None
        self.shadow = ShadowTraffic(
            Shadow(2, part), self.submit, self.reports.append, lambda: self.skipped.append(True)
        )

    def submit(self, request, reply):
        if self.error is not None:
            raise self.error
        self.asked.append((request, reply))

    def watch(self, version=NEWEST, **fields):
        request = Request("m", {"IN": tensor("IN", np.zeros(2, np.float32))}, version, id="a", **fields)
        return request, self.shadow.watch(request, self.told.append)


def answer(value=0.0, version=1, error=None, is_final=True, name="OUT"):
    outputs = None if error is not None else [tensor(name, np.full(2, value, np.float32))]
    return Response("m", version, "a", outputs, error=error, is_final=is_final)


def test_the_client_is_answered_first_and_the_answers_are_compared():
    bench = Bench()
    _, reply = bench.watch(wanted=("OUT",), parameters={"k": 1})
    assert bench.asked == []
    reply(answer(1.0))
    assert len(bench.told) == 1
    ((copy, shadow_reply),) = bench.asked
    assert (copy.version, copy.wanted, copy.parameters, copy.id) == (2, ("OUT",), {"k": 1}, "a")
    shadow_reply(answer(1.5, 2))
    (found,) = bench.reports
    assert (found.model, found.primary, found.shadow, found.error) == ("m", 1, 2, "")
    assert [(d.output, d.max_abs, d.beyond) for d in found.differences] == [("OUT", 0.5, 2)]
    assert bench.shadow.under_way == 0 and len(bench.told) == 1


def test_the_copy_is_as_the_client_sent_it():
    bench = Bench()
    request, reply = bench.watch()
    request.inputs["IN"].data = request.inputs["IN"].data.reshape(1, 2)
    request.inputs["START"] = tensor("START", np.ones(1))
    reply(answer())
    assert {n: t.shape for n, t in bench.asked[0][0].inputs.items()} == {"IN": (2,)}


def test_a_part_of_the_requests_is_copied_evenly():
    bench = Bench(part=0.1)
    for _ in range(50):
        bench.watch()[1](answer())
    assert len(bench.asked) == 5 and len(bench.told) == 50


def test_sequences_are_copied_as_a_whole_or_not_at_all():
    bench = Bench(part=0.5)
    for _ in range(3):
        for key in range(1, 41):
            bench.watch(sequence=Sequence(key))[1](answer())
            if bench.shadow.under_way:
                bench.asked[-1][1](answer(version=2))
    copied = Counter(request.sequence.id for request, _ in bench.asked)
    assert set(copied.values()) == {3} and 10 < len(copied) < 30


def test_what_the_shadow_version_answers_itself_is_not_copied():
    bench = Bench()
    _, reply = bench.watch(version=2)
    reply(answer())
    _, reply = bench.watch()
    reply(answer(version=2))
    assert bench.asked == [] and bench.shadow.under_way == 0


def test_an_error_of_the_shadow_is_reported_and_one_of_the_primary_is_not_compared():
    bench = Bench()
    bench.watch()[1](answer())
    bench.asked[0][1](answer(error=invalid("no")))
    bench.error = invalid("gone")
    bench.watch()[1](answer())
    bench.error = None
    bench.watch()[1](answer(error=invalid("own")))
    assert [r.error for r in bench.reports] == ["no", "gone"]
    assert len(bench.asked) == 1 and bench.shadow.under_way == 0


def test_several_answers_are_compared_one_by_one_and_their_number_too():
    bench = Bench()
    _, reply = bench.watch()
    reply(answer(1, is_final=False))
    reply(answer(2))
    bench.asked[0][1](answer(1, is_final=False))
    bench.asked[0][1](answer(4))
    assert [d.max_abs for d in bench.reports[0].differences] == [0, 2]
    _, reply = bench.watch()
    reply(answer(1))
    bench.asked[1][1](answer(1, is_final=False))
    bench.asked[1][1](answer(4))
    assert bench.reports[1].error == "1 answers became 2"


def test_no_more_than_a_number_is_under_way_and_a_refused_request_counts_no_more():
    bench = Bench()
    for _ in range(MOST + 3):
        bench.watch()
    assert (bench.shadow.under_way, bench.skipped) == (MOST, [True] * 3)
    bench.shadow.withdraw()
    assert bench.shadow.under_way == MOST - 1
