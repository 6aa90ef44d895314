"""program.py: what has no kernel is refused by name; workspaces are shared, counters are not."""

from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.kernels.arena import Arena
from burnish.kernels.task import AttentionTask, Binding, Launch, Program, Slot, Storage
from burnish.plan.manifest import PointerArgument
from burnish.target import parse_target
from burnish.targets.cuda.program import MOST_WORKSPACE, CudaCompiler, Workspaces
from burnish.targets.cuda.source import Source, Workspace
from tests.targets.cuda.contraction_tasks import matmul


def test_a_kernel_that_no_schedule_fits_is_refused_by_name():
    part = Slot(DType.F32, (1, 1, 4, 512), (2048, 2048, 512, 1))
    kernel = AttentionTask((part,) * 4, 0.1, causal=False, masked=False)
    launch = Launch(kernel, tuple(Binding(n) for n in range(4)), (3,), "middle", ("/middle/Softmax",))
    storages = tuple(Storage(n, "output" if n == 3 else "input", 8192) for n in range(4))
    program = Program({}, (), (), storages, {}, (launch,))
    with pytest.raises(UserError) as caught:
        CudaCompiler(parse_target("cuda:sm_90a")).emit_program(program, Arena({}, 0, 0), {})
    assert caught.value.code == "E213"
    assert "AttentionTask has no kernel for cuda:sm_90a" in caught.value.what
    assert "/middle/Softmax" in caught.value.where


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


def test_a_sum_is_not_split_where_the_largest_sizes_would_take_much_workspace():
    kernel = matmul(symbol("n") * 49, 512, 4608, packed=False)
    bindings = tuple(Binding(i) for i in range(len(kernel.slots)))
    storages = tuple(Storage(i, "output" if i == 2 else "input", symbol("n") * 49 * 4608 * 4) for i in range(3))
    splits = {}
    for most in (1, 1000):
        launch = Launch(kernel, bindings, (2,), "product", ("/product",))
        program = Program({"n": (1, 1, most)}, (), (), storages, {}, (launch,))
        variant, _ = CudaCompiler(parse_target("cuda:sm_90a")).emit_program(program, Arena({}, 0, 0), {})
        splits[most] = "split=1 " not in variant.launches[0].tactic
        assert variant.arena_bytes < 2 * MOST_WORKSPACE
    assert splits == {1: True, 1000: False}
