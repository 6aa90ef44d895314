"""A plugin of pytest: what tests build for a CPU is built for the GPU, and runs there.

    python -m pytest -p tests.gpu.on_the_gpu -m "not slow" tests/lower tests/precision tests/end_to_end -n 14

Nodes without kernels for GPUs run on the host. A test that looks at a CPU's plan fails; those of answers must not.
"""

from __future__ import annotations

from typing import Any

import burnish

_build = burnish.build


def build(model: Any, *arguments: Any, **options: Any) -> burnish.Plan:
    target = options.get("target")
    if target is None or (isinstance(target, str) and target.startswith("cpu")):
        options |= {"target": "cuda", "allow_fallback": True}
    return _build(model, *arguments, **options)


burnish.build = build
