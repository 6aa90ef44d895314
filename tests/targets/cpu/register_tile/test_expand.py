"""expand.py: a panel without its zeros gets them back exactly."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import ir

from burnish.target import Target
from burnish.targets.cpu.builder import KernelBuilder, KernelContext
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack import _sparse
from burnish.targets.cpu.register_tile.expand import Sparse, expand_panel, panel_address
from tests.targets.cpu.run_kernel import Compiled, aligned, on_machines

LEVEL = Target("cpu", "x86-64-v4")
SPECIAL = np.array([np.inf, -np.inf, np.nan, -0.0, 1e-45, 3.0], np.float32)


@pytest.mark.parametrize("target", on_machines([LEVEL]))
@pytest.mark.parametrize("depth, vectors", [(1, 1), (2, 2), (5, 3), (33, 8)])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.97, 1.0])
def test_every_number_comes_back_at_its_place(target: Target, depth: int, vectors: int, share: float) -> None:
    rng, width = np.random.default_rng(0), 16 * vectors
    weights = rng.standard_normal((1, depth, 2 * width)).astype(np.float32)
    weights[rng.random(weights.shape) < 0.2] = rng.choice(SPECIAL)
    weights[rng.random(weights.shape) < share] = 0
    packed = _sparse(ContractionOptions("sparse", 1, vectors, 16, 1, 0, False, 0, 0, 0, False), weights)

    def kernel(context: KernelContext) -> ir.Function:
        k = KernelBuilder(context, "expand", 2)
        expand_panel(k, Sparse(depth, vectors), panel_address(k, k.slots[0], k.thread), k.slots[1])
        return k.finish()

    compiled = Compiled(kernel, target)
    for panel in range(2):
        found = aligned(depth * width * 4).view(np.float32)
        compiled([packed, found], threads=2, only=panel)
        want = np.ascontiguousarray(weights[0, :, panel * width : (panel + 1) * width])
        np.testing.assert_array_equal(found.view(np.int32), want.reshape(-1).view(np.int32))
