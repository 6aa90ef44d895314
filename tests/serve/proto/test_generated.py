"""What is checked in is what protoc writes."""

from __future__ import annotations

import pytest

pytest.importorskip("grpc_tools")

from tests.protos import FOLDER, generated


def test_the_checked_in_messages_are_those_of_the_proto_files() -> None:
    found = generated()
    assert sorted(found) == sorted(p.name for p in FOLDER.glob("*_pb2.py*"))
    assert [name for name, content in found.items() if (FOLDER / name).read_bytes() != content] == [], (
        "run `make proto`"
    )
