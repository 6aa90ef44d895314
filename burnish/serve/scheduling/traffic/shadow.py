"""Shadow traffic: a part of a model's requests goes to a second version too, and the answers are compared.

The client gets the primary's answer, and gets it first: the second version is asked after that. What it does, and
whether it is there at all, is never seen in an answer. Beyond a number of requests under way in the shadow the rest is
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from burnish.serve.config.options.options import Shadow
from burnish.serve.job import Job, Reply
from burnish.serve.request import Request, Response, Tensor
from burnish.serve.scheduling.traffic.difference import Difference, Tolerance, differences
from burnish.serve.scheduling.traffic.weights import place_of
from burnish.serve.status import ServeError

Submit = Callable[[Request, Reply], Job]


MOST = 64  # requests under way in a model's shadow


@dataclass(frozen=True, slots=True)
class Comparison:
    """One request's. primary: the version that answered the client. error: the shadow's, if it gave one."""

    model: str
    primary: int
    shadow: int
    differences: Sequence[Difference] = ()
    error: str = ""


class ShadowTraffic:
    """One a model. report: told of each comparison. skip: called for each request that would have been too many."""

    def __init__(
        self, rule: Shadow, submit: Submit, report: Callable[[Comparison], None], skip: Callable[[], None]
    ) -> None:
        self._rule, self._submit, self._report, self._skip = rule, submit, report, skip
        self._tolerance = Tolerance(rule.rtol, rule.atol)
        self._credit = 0.0
        self.under_way = 0

    def watch(self, request: Request, reply: Reply) -> Reply:
        """What is to be given as the reply of a request: `reply` itself if it gets no copy."""
        if request.version == self._rule.version:
            return reply
        if not self._picks(request):
            return reply
        if self.under_way >= MOST:
            self._skip()
            return reply
        self.under_way += 1
        # Before the scheduler sees it: it changes a request's tensors into the model's form.
        inputs = {name: Tensor(t.name, t.datatype, t.data) for name, t in request.inputs.items()}
        copy = replace(request, inputs=inputs, version=self._rule.version, parameters=dict(request.parameters))
        answers: list[Response] = []

        def watched(response: Response) -> None:
            answers.append(response)
            reply(response)
            if response.is_final:
                self._ask(copy, answers)

        return watched

    def _picks(self, request: Request) -> bool:
        """Every n-th request, or every n-th sequence as a whole."""
        if request.sequence is not None and request.sequence.id:
            return place_of(str(request.sequence.id)) <= self._rule.part
        self._credit += self._rule.part
        if self._credit < 1 - 1e-9:
            return False
        self._credit -= 1
        return True

    def withdraw(self) -> None:
        """A watched request was refused: it will have no answer."""
        self.under_way -= 1

    def _ask(self, request: Request, primary: list[Response]) -> None:
        version = primary[0].version
        if version == self._rule.version or any(r.error is not None for r in primary):
            self.under_way -= 1
            return
        answers: list[Response] = []

        def collect(response: Response) -> None:
            answers.append(response)
            if response.is_final:
                self.under_way -= 1
                self._report(self._compare(request.model, version, primary, answers))

        try:
            self._submit(request, collect)
        except ServeError as error:
            self.under_way -= 1
            self._report(Comparison(request.model, version, self._rule.version, error=error.message))

    def _compare(
        self, model: str, version: int, primary: Sequence[Response], answers: Sequence[Response]
    ) -> Comparison:
        error = next((r.error.message for r in answers if r.error is not None), "")
        found: list[Difference] = []
        ours = [r.outputs for r in primary if r.outputs is not None]
        theirs = [r.outputs for r in answers if r.outputs is not None]
        if not error and len(ours) != len(theirs):
            error = f"{len(ours)} answers became {len(theirs)}"
        if not error:
            found = [d for a, b in zip(ours, theirs) for d in differences(a, b, self._tolerance)]
        return Comparison(model, version, self._rule.version, found, error)
