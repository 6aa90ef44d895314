"""Whatever is not exactly what was written gives an error with a code, and never a crash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.errors import BurnishError, EnvironmentProblem, UserError
from burnish.plan import Plan, is_plan, open_plan, read, to_bytes, write
from burnish.plan.format import FIELDS, HEADER_BYTES, canonical_json


def code_of(data: bytes) -> str:
    with pytest.raises(BurnishError) as caught:
        read(data)
    assert caught.value.code.startswith("E4")
    return caught.value.code


def forge(plan: Plan, change: Callable[[Any], Any]) -> bytes:
    """A file with right checksums whose manifest was changed: what only a forger can make."""
    data = to_bytes(plan)
    size = int.from_bytes(data[16:24], "little")
    text = data[HEADER_BYTES : HEADER_BYTES + size]
    top = json.loads(text)
    changed = change(top)
    new = changed if isinstance(changed, bytes) else canonical_json(top)
    new += b" " * (-(len(new) - size) % 64)  # the blobs stay aligned
    rest = data[HEADER_BYTES + size :]
    total = HEADER_BYTES + len(new) + len(rest)
    fields = list(FIELDS.unpack(data[: FIELDS.size]))
    fields[3:6] = len(new), total, hashlib.sha256(new).digest()
    header = FIELDS.pack(*fields)
    return header + hashlib.sha256(header).digest() + new + rest


def test_every_truncation_of_a_plan_gives_a_coded_error(small_plan: Plan) -> None:
    data = to_bytes(small_plan)
    for size in range(len(data)):
        code_of(data[:size])


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_of_a_plan_gives_a_coded_error(small_plan: Plan, flip: int) -> None:
    data = bytearray(to_bytes(small_plan))
    for place in range(len(data)):
        data[place] ^= flip
        code_of(bytes(data))
        data[place] ^= flip
    read(bytes(data))


@pytest.mark.parametrize(
    ("place", "code"), [(12, "E407"), (FIELDS.size, "E407"), (HEADER_BYTES, "E408")], ids=["header", "sum", "manifest"]
)
def test_damage_is_named_by_the_part_that_holds_it(small_plan: Plan, place: int, code: str) -> None:
    data = bytearray(to_bytes(small_plan))
    data[place] ^= 1
    assert code_of(bytes(data)) == code


def test_every_flipped_page_of_a_large_blob_is_found_by_default(small_plan: Plan, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).bytes((1 << 20) + 4096 + 5)
    data = bytearray(to_bytes(Plan(small_plan.manifest, {**small_plan.blobs, "weights/0": weights})))
    read(bytes(data))
    for place in [*range(len(data) - len(weights), len(data), 4096 * 16 + 1), len(data) - 1]:
        data[place] ^= 0x10
        assert code_of(bytes(data)) == "E412"
        read(bytes(data), verify="quick")
        data[place] ^= 0x10
    data += b"\0"
    assert code_of(bytes(data)) == "E405"


def test_swapped_pages_of_a_large_blob_are_found_by_default(small_plan: Plan) -> None:
    weights = np.random.default_rng(0).bytes(2 << 20)
    data = to_bytes(Plan(small_plan.manifest, {**small_plan.blobs, "weights/0": weights}))
    start = len(data) - len(weights)
    swapped = data[:start] + data[start + 4096 : start + 8192] + data[start : start + 4096] + data[start + 8192 :]
    assert code_of(swapped) == "E412"


def test_another_format_version_is_refused_with_what_to_do(small_plan: Plan) -> None:
    data = bytearray(to_bytes(small_plan))
    data[8] = 2
    with pytest.raises(UserError, match=r"E406.*version 2; this Burnish reads version 1(?s:.*)build the plan again"):
        read(bytes(data))


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "E405"), (b"abc", "E405"), (b"\x08\x0aonnx model", "E404"), (b"PK\3\4 something", "E404")]
)
def test_a_file_that_is_no_plan_is_called_so(data: bytes, code: str, tmp_path: Path) -> None:
    assert code_of(data) == code
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(UserError, match=code):
        read(tmp_path / "file")


def test_a_tensorrt_engine_is_recognised() -> None:
    with pytest.raises(UserError, match=r"E404(?s:.*)TensorRT engine"):
        read(b"ftrt" + bytes(100))


def test_a_missing_file_and_a_folder_are_the_users_error(tmp_path: Path) -> None:
    for place in (tmp_path / "none.plan", tmp_path):
        with pytest.raises(UserError, match="E401"):
            read(place)


def test_a_file_that_cannot_be_opened_is_the_environments_problem(
    tmp_path: Path, small_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(small_plan, tmp_path / "a.plan")
    monkeypatch.setattr("mmap.mmap", _raise_permission_error)
    with pytest.raises(EnvironmentProblem, match="E402"):
        read(tmp_path / "a.plan")


def _raise_permission_error(*arguments: object, **options: object) -> None:
    raise PermissionError(13, "Permission denied")


FORGERIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no json": (lambda top: b"{", "E409"),
    "no object": (lambda top: b"[]", "E409"),
    "deep": (lambda top: b"[" * 200_000, "E409"),
    "a huge number": (lambda top: b"1" * 10_000, "E409"),
    "nan": (lambda top: b'{"blobs":[],"manifest":NaN}', "E409"),
    "a key twice": (lambda top: b'{"blobs":[],"blobs":[],"manifest":{}}', "E409"),
    "text that is no utf-8": (lambda top: b'"\xff"', "E409"),
    "a missing field": (lambda top: top["manifest"].pop("symbols") and None, "E409"),
    "an unknown field": (lambda top: top["manifest"].update(extra=1), "E409"),
    "a wrong type": (lambda top: top["manifest"].update(producer=1), "E409"),
    "a bool for a number": (lambda top: top["manifest"]["symbols"][0].update(min=True), "E409"),
    "a negative number": (lambda top: top["manifest"]["inputs"][0].update(storage=-1), "E409"),
    "an unknown dtype": (lambda top: top["manifest"]["inputs"][0].update(dtype="f31"), "E409"),
    "a bad dimension": (lambda top: top["manifest"]["inputs"][0].update(shape=[[["x"]]]), "E409"),
    "a dimension that divides by zero": (
        lambda top: top["manifest"]["inputs"][0].update(shape=[[[1, ["floordiv", 4, 0]]]]),
        "E409",
    ),
    "an unknown step": (lambda top: top["manifest"]["variants"][0]["steps"][0].update(step="jump"), "E409"),
    "a step without a kind": (lambda top: top["manifest"]["variants"][0]["steps"].append(3), "E409"),
    "a blob twice": (lambda top: top["blobs"].append(top["blobs"][-1]), "E409"),
    "a short hash": (lambda top: top["blobs"][0].update(sha256="00"), "E409"),
    "an undeclared symbol": (lambda top: top["manifest"].update(symbols=[]), "E410"),
    "a longer blob": (lambda top: top["blobs"][2].update(size=64 * 1000), "E411"),
    "a shorter blob": (lambda top: top["blobs"][2].update(size=63), "E410"),
    "no last blob": (lambda top: top["manifest"].update(variants=[]) or (top["blobs"].pop() and None), "E411"),
    "a wrong hash": (lambda top: top["blobs"][0].update(sha256="0" * 64), "E412"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_manifest_gives_a_coded_error(small_plan: Plan, name: str) -> None:
    change, code = FORGERIES[name]
    assert code_of(forge(small_plan, change)) == code


def test_the_message_says_where_in_the_manifest(small_plan: Plan) -> None:
    data = forge(small_plan, lambda top: top["manifest"]["variants"][0]["storages"][3].update(size="big"))
    with pytest.raises(UserError, match=r"where: variants\[0\]\.storages\[3\]\.size"):
        read(data)


def test_a_gap_that_is_not_zero_is_found(small_plan: Plan) -> None:
    data = bytearray(to_bytes(small_plan))
    entries = open_plan(bytes(data)).entries
    data[entries[1].offset - 1] = 1
    assert code_of(bytes(data)) == "E411"


def test_a_mapped_plan_outlives_the_file(small_plan: Plan, tmp_path: Path) -> None:
    write(small_plan, tmp_path / "a.plan")
    plan = read(tmp_path / "a.plan")
    write(Plan(dataclasses.replace(small_plan.manifest, model_name="other"), small_plan.blobs), tmp_path / "a.plan")
    os.unlink(tmp_path / "a.plan")
    assert bytes(plan.blobs["code/0"]) == small_plan.blobs["code/0"]


def test_bytes_that_are_not_contiguous_are_read_too(small_plan: Plan) -> None:
    spread = bytes(b for pair in zip(to_bytes(small_plan), to_bytes(small_plan)) for b in pair)
    assert read(memoryview(spread)[::2]).manifest == small_plan.manifest


@pytest.mark.parametrize("call", [lambda: read(5), lambda: read(None), lambda: read(b"", verify="most")])
def test_arguments_of_a_wrong_kind_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(BurnishError, match="E605"):
        call()


def test_a_plan_is_saved_to_a_path_only(small_plan: Plan) -> None:
    with pytest.raises(BurnishError, match="E605: path is 5"):
        small_plan.save(5)  # type: ignore[arg-type]


def test_a_plan_is_told_from_other_files_by_its_first_bytes(small_plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "plan").write_bytes(small_plan.to_bytes())
    (tmp_path / "model.plan").write_bytes(b"\x08\x0a")
    found = {name: is_plan(tmp_path / name) for name in ("plan", "model.plan", "none", "with\0zero")}
    assert found == {"plan": True, "model.plan": False, "none": False, "with\0zero": False}
