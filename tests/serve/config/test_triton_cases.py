"""What a real Triton 2.51 answered of configurations, as far as no server is needed to tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from burnish.serve.config.backends import served_by
from burnish.serve.config.check_steps import check_steps
from burnish.serve.config.complete import update_from_model
from burnish.serve.config.normalise import normalise_groups
from burnish.serve.config.parse_json import parse_json
from burnish.serve.config.parse_text import parse_text
from burnish.serve.config.read import check_loaded, read
from burnish.serve.config.refusal import ConfigError, poll_failure
from burnish.serve.config.show import config_json, metadata_json
from burnish.serve.config.versions import choose_versions
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import ServeError
from tests.serve.config.configs import SHARED, TENSORS

REPO = SHARED / "repo"
LOADED_LATER = {"bad_init", "bad_label"}  # whose configuration is good
TOLD = f"max_batch_size: 2 {TENSORS} dynamic_batching {{ }}"  # what the model `auto` tells of itself

pytestmark = pytest.mark.skipif(not REPO.is_dir(), reason="the recorded cases of Triton are not beside this checkout")


def cases() -> list[dict[str, Any]]:
    if not REPO.is_dir():
        return []
    return [json.loads(line) for line in (SHARED / "cases.jsonl").read_text(encoding="utf-8").splitlines()]


def loaded(name: str) -> tuple[pb.ModelConfig, tuple[int, ...]]:
    """A model's configuration once its versions are loaded, and their numbers."""
    folder = REPO / name
    config = read(folder)
    versions = choose_versions(config, [p.name for p in folder.iterdir() if p.is_dir()]).served
    served_by(config)
    if name == "auto":
        update_from_model(config, parse_text(TOLD))
    normalise_groups(config)
    check_loaded(config)
    if config.HasField("ensemble_scheduling"):
        steps = {s.model_name for s in config.ensemble_scheduling.step if (REPO / s.model_name).is_dir()}
        check_steps(config, {step: loaded(step)[0] for step in steps})
    return config, versions


def answer_to_load(name: str) -> ServeError | None:
    """As a client gets it: a refusal before any version is looked at, of the model, or of its version."""
    try:
        read(REPO / name)
    except ConfigError as error:
        return poll_failure(name, error)
    try:
        loaded(name)
    except ConfigError as error:
        return error
    return None


SHOWN = [
    c
    for c in cases()
    if c["protocol"] == "http"
    and c["request"]["method"] == "GET"
    and c["request"]["path"].startswith("/v2/models/")
    and c["response"]["status"] == 200
    and {"platform", "name"} <= c["response"]["body"].get("json", {}).keys()
]


@pytest.mark.parametrize("case", SHOWN, ids=lambda c: c["name"])
def test_configuration_and_metadata_are_tritons(case: dict[str, Any]) -> None:
    _, _, name, *rest = case["request"]["path"].strip("/").split("/")
    config, versions = loaded(name)
    if rest and rest[-1] == "config":
        assert config_json(config) == case["response"]["body"]["json"]
    else:
        asked = (int(rest[1]),) if rest else versions
        assert metadata_json(config, asked) == case["response"]["body"]["json"]


LOADS = [c for c in cases() if c["area"] == "config" and c["name"].startswith(("load ", "grpc load "))]
LOADS = [c for c in LOADS if c["name"].split()[-1] not in LOADED_LATER]


@pytest.mark.parametrize("case", LOADS, ids=lambda c: c["name"])
def test_a_load_ends_in_tritons_words(case: dict[str, Any]) -> None:
    name, response = case["name"].split()[-1], case["response"]
    error = answer_to_load(name)
    if response.get("status") == 200 or response.get("code") == "OK":
        assert error is None
        return
    assert error is not None
    recorded = response["body"]["json"]["error"] if "status" in response else response["message"]
    if recorded.endswith("failed to poll from model repository"):
        assert error.message == recorded or error.message.startswith(f"{recorded}: failed to read text proto")
        assert error.code.http == response.get("status", 500)
    else:
        assert recorded.rstrip("\n;").endswith(error.message)
        assert error.code.http == response["status"] == 400


def test_every_model_that_is_not_bad_loads_and_every_bad_one_is_refused() -> None:
    for folder in sorted(REPO.iterdir()):
        error = answer_to_load(folder.name)
        assert (error is not None) == (folder.name.startswith("bad_") and folder.name not in LOADED_LATER), folder.name


OVERRIDES = [c for c in cases() if c["area"] == "repository" and "with config" in c["name"]]


@pytest.mark.parametrize("case", OVERRIDES, ids=lambda c: c["name"])
def test_configurations_in_load_requests_are_read_or_refused_as_recorded(case: dict[str, Any], tmp_path: Path) -> None:
    request = case["request"] if case["request"]["path"].endswith("/load") else case["before"][0]
    override = json.loads(request["body"])["parameters"]["config"]
    if not isinstance(override, str):
        pytest.skip("the request is refused before its configuration is read")
    is_refused = case["response"]["status"] == 500
    try:
        parse_json(override)
    except ConfigError:
        assert is_refused
    else:
        assert not is_refused
