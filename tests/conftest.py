"""For all tests: properties may take their time, on a machine that is busy; Ctrl-C is heeded; passes are checked."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

from burnish.passes import pipeline
from burnish.passes.rewrite.check_graph import check_graph, surfaces

settings.register_profile("burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("burnish")

# A shell makes what it runs in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# After every pass of every test the graph is whole, as BURNISH_DEBUG=1 asks for in a build.
_run = pipeline._run


def _run_and_check(member, model, context):
    before = surfaces(model)
    changes = _run(member, model, context)
    check_graph(model, before, member.name)
    return changes


pipeline._run = _run_and_check
