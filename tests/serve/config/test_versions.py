from __future__ import annotations

import pytest

from burnish.serve.config.versions import RESERVED, choose_versions, versions_of
from tests.serve.config.configs import config_of, refusal


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", (10,)),
        ("version_policy { latest { num_versions: 2 } }", (3, 10)),
        ("version_policy { latest { num_versions: 9 } }", (1, 3, 10)),
        ("version_policy { all { } }", (1, 3, 10)),
        ("version_policy { }", (1, 3, 10)),
        ("version_policy { specific { versions: [ 3, 1, 3 ] } }", (1, 3)),
        ("version_policy { specific { versions: [ 3, 7 ] } }", (3,)),
    ],
)
def test_the_policy_chooses_among_the_folders_by_number(policy: str, served: tuple[int, ...]) -> None:
    assert choose_versions(config_of(policy), ["10", "1", "3"]).served == served


@pytest.mark.parametrize(
    ("policy", "folders"),
    [
        ("", []),
        ("", ["warmup"]),
        ("version_policy { latest { } }", ["1"]),
        ("version_policy { specific { versions: 7 } }", ["1"]),
        ("version_policy { specific { } }", ["1"]),
    ],
)
def test_a_model_without_a_version_to_serve_is_refused(policy: str, folders: list[str]) -> None:
    sentence = "at least one version must be available under the version policy of model 'm'"
    assert refusal(choose_versions, config_of(policy), folders) == sentence


@pytest.mark.parametrize("folder", ["4a", "v3", "-1", "+1", "1.0", " 1", "05", "00", "٣", "9" * 20, "1_0", ".git", ""])
def test_a_folder_is_a_version_only_if_its_name_is_a_plain_number(folder: str) -> None:
    numbers, notes = versions_of([folder, "2"])
    assert numbers == [2]
    assert len(notes) == 1
    assert f"'{folder}'" in notes[0]


def test_zero_is_a_version_and_leading_zeros_are_none() -> None:
    found = choose_versions(config_of("version_policy { all { } }"), ["2", "05", "0", "v3"])
    assert found.served == (0, 2)
    assert found.notes == (
        "ignore version directory '05' which contains leading zeros in its directory name",
        "ignore version directory 'v3' which fails to convert to integral number",
    )


def test_folders_that_triton_reserves_are_passed_over_in_silence() -> None:
    assert versions_of([*RESERVED, "1"]) == ([1], [])


def test_the_only_folder_that_is_no_version_is_named_in_the_refusal() -> None:
    assert refusal(choose_versions, config_of(), ["4a"]).endswith("'4a' which fails to convert to integral number")


def test_a_version_that_is_named_and_absent_is_noted() -> None:
    found = choose_versions(config_of("version_policy { specific { versions: [ 1, 7 ] } }"), ["1"])
    assert found.notes == ("version 7 is specified for model 'm', but the version directory is not present",)
