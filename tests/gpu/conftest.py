"""Tests here need an NVIDIA GPU and are skipped where there is none: `python -m pytest tests/gpu -m gpu`."""

from __future__ import annotations

import pytest

from burnish.devices.cuda.probe import find_gpus


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.parent.name == "gpu"]
    reason = "" if find_gpus().gpus else "there is no NVIDIA GPU in this machine"
    for item in here:
        item.add_marker(pytest.mark.gpu)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
