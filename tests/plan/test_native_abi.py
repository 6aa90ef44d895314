"""native_abi.py: the document states the numbers that code goes by."""

from __future__ import annotations

from pathlib import Path

from burnish.plan.native_abi import ADDRESS_ALIGN_BYTES, HEADER_BYTES, STORAGE_ALIGN_BYTES, TEAM_BYTES

TEXT = (Path(__file__).parents[2] / "docs" / "native-abi.md").read_text()


def test_the_document_states_the_sizes_and_alignments_of_the_code() -> None:
    assert f"{TEAM_BYTES:,} zeroed bytes" in TEXT
    assert f"`scratch[-{HEADER_BYTES}]`" in TEXT
    assert f"a multiple of {STORAGE_ALIGN_BYTES} bytes" in TEXT
    assert f"one of {ADDRESS_ALIGN_BYTES} (the runtime copies others)" in TEXT
