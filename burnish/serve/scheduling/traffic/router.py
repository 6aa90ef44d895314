"""A model's requests on their way to its versions."""

from __future__ import annotations

from collections.abc import Callable

from burnish.serve.config.options.options import Options
from burnish.serve.job import Job, Reply
from burnish.serve.request import Request
from burnish.serve.scheduling.traffic.shadow import Comparison, ShadowTraffic, Submit
from burnish.serve.scheduling.traffic.weights import VersionChooser
from burnish.serve.status import ServeError


class Router:
    """Chooses the version of a request that names none, and copies requests to the shadow.

    submit  gives a request to the version that it names, or to the newest
    report  is told how the shadow's answers compare
    skip    is called for each request that the shadow should have had, and that was one too many
    """

    def __init__(
        self, options: Options, submit: Submit, report: Callable[[Comparison], None], skip: Callable[[], None]
    ) -> None:
        self._submit = submit
        self._chooser = VersionChooser(options.traffic) if options.traffic is not None else None
        self.shadow = ShadowTraffic(options.shadow, submit, report, skip) if options.shadow is not None else None

    def submit(self, request: Request, reply: Reply) -> Job:
        """raises: ServeError if the version refuses the request"""
        if self._chooser is not None:
            request.version = self._chooser.choose(request)
        if self.shadow is None:
            return self._submit(request, reply)
        watched = self.shadow.watch(request, reply)
        try:
            return self._submit(request, watched)
        except ServeError:
            if watched is not reply:
                self.shadow.withdraw()
            raise
