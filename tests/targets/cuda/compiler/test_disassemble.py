"""disassemble.py: a cubin's instructions, and a line instead of an exception where there are none."""

from __future__ import annotations

import pytest

from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.compiler.disassemble import disassemble


def test_what_is_no_cubin_is_answered_by_the_disassemblers_words() -> None:
    pytest.importorskip("triton")
    assert disassemble(Cubin(b"no cubin", "kernel", 128, 0)).startswith("nvdisasm: ")


def test_without_triton_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burnish.targets.cuda.compiler.disassemble.find_spec", lambda name: None)
    assert "not installed" in disassemble(Cubin(b"", "kernel", 128, 0))
