"""Equal plans are equal bytes; what is written reads back equal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from burnish.errors import InternalError
from burnish.plan import Plan, open_plan, read, to_bytes, write
from burnish.plan.format import HEADER_BYTES, canonical_json


def test_a_plan_reads_back_equal(small_plan: Plan, tmp_path: Path) -> None:
    write(small_plan, tmp_path / "a.plan")
    for source in (
        tmp_path / "a.plan",
        str(tmp_path / "a.plan"),
        to_bytes(small_plan),
        bytearray(to_bytes(small_plan)),
    ):
        plan = read(source)
        assert plan.manifest == small_plan.manifest
        assert {name: bytes(view) for name, view in plan.blobs.items()} == small_plan.blobs


def test_blobs_are_read_only_views_aligned_to_64_bytes(small_plan: Plan, tmp_path: Path) -> None:
    small_plan.save(tmp_path / "a.plan")
    shifted = memoryview(b"\0" + to_bytes(small_plan))[1:]
    for source in (tmp_path / "a.plan", to_bytes(small_plan), shifted):
        for view in read(source).blobs.values():
            assert view.readonly
            assert np.frombuffer(view, np.uint8).ctypes.data % 64 == 0


def test_the_bytes_do_not_depend_on_the_order_of_blobs_or_options(small_plan: Plan) -> None:
    turned = Plan(
        dataclasses.replace(small_plan.manifest, options=dict(reversed(small_plan.manifest.options.items()))),
        dict(reversed(small_plan.blobs.items())),
    )
    assert turned.to_bytes() == small_plan.to_bytes()
    assert read(small_plan.to_bytes()).to_bytes() == small_plan.to_bytes()


def test_the_manifest_is_canonical_json(small_plan: Plan) -> None:
    data = to_bytes(small_plan)
    size = int.from_bytes(data[16:24], "little")
    text = data[HEADER_BYTES : HEADER_BYTES + size]
    assert canonical_json(json.loads(text)) == text
    assert data[32:64] == hashlib.sha256(text).digest()


def test_the_bytes_are_equal_in_another_process(small_plan: Plan, tmp_path: Path) -> None:
    write(small_plan, tmp_path / "a.plan")
    program = "import sys, burnish.plan as p; p.write(p.read(sys.argv[1]), sys.argv[2])"
    command = [sys.executable, "-c", program, str(tmp_path / "a.plan"), str(tmp_path / "b.plan")]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "7"}, cwd=Path(__file__).parents[2])
    assert (tmp_path / "a.plan").read_bytes() == (tmp_path / "b.plan").read_bytes()


def test_a_plan_without_blobs_and_one_with_an_empty_blob_are_sound(small_plan: Plan) -> None:
    bare = Plan(dataclasses.replace(small_plan.manifest, variants=()), {})
    assert read(to_bytes(bare)) == bare
    empty = Plan(bare.manifest, {"graph": b""})
    assert bytes(read(to_bytes(empty)).blobs["graph"]) == b""


def test_the_places_of_blobs_follow_from_their_sizes(small_plan: Plan) -> None:
    contents = open_plan(to_bytes(small_plan))
    assert [e.name for e in contents.entries] == sorted(small_plan.blobs)
    assert all(e.offset % 64 == 0 and contents.blob(e) == small_plan.blobs[e.name] for e in contents.entries)


@pytest.mark.parametrize("options", [{"x": float("nan")}, {"x": object()}, {1: "x"}, {"x": b"bytes"}])
def test_a_manifest_that_json_cannot_say_is_our_bug(small_plan: Plan, options: dict[str, object]) -> None:
    plan = Plan(dataclasses.replace(small_plan.manifest, options=options), small_plan.blobs)
    with pytest.raises(InternalError, match="E415"):
        to_bytes(plan)


def test_a_plan_that_contradicts_itself_is_not_written(small_plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="weights/0"):
        write(Plan(small_plan.manifest, {"code/0": b"", "reference/0": b""}), tmp_path / "a.plan")
    assert not list(tmp_path.iterdir())
