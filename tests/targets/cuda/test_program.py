"""program.py: workspaces are shared, counters are not."""

from __future__ import annotations

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.plan.manifest import PointerArgument
from burnish.targets.cuda.program import Workspaces
from burnish.targets.cuda.source import Source, Workspace


def test_launches_share_their_workspace_but_not_their_counters():
    spaces = Workspaces({"n": (1, 10)}, first=5)
    sums = Workspace("sums", DType.F32, symbol("n") * 100)
    counters = Workspace("counters", DType.I32, 8, zeroed=True)
    source = Source("", (sums, counters), (1, 1, 1))
    first, second = spaces.of_launch(source), spaces.of_launch(source)
    assert first == {"sums": PointerArgument(6, 0), "counters": PointerArgument(5, 0)}
    assert second == {"sums": PointerArgument(6, 0), "counters": PointerArgument(5, 256)}
    counting, shared = spaces.storages(4096)
    assert (counting.number, counting.offset, counting.size) == (5, 0, 512)
    assert (shared.number, shared.offset, shared.size) == (6, 4096, 1024)
