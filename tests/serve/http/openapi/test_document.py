"""The OpenAPI document is whole: every reference leads somewhere, every route is in it, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from burnish.serve.http.application import Application
from burnish.serve.http.openapi.document import openapi_document
from tests.serve.http.asking import ask
from tests.serve.http.fake_core import FakeServer

DOCUMENT: dict[str, Any] = json.loads(openapi_document("burnish", "1"))
OPERATIONS = [(path, method, op) for path, methods in DOCUMENT["paths"].items() for method, op in methods.items()]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def followed(reference: str) -> Any:
    node: Any = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        node = node[key]
    return node


def test_every_reference_leads_to_a_part_and_every_part_is_referred_to() -> None:
    found = set(references(DOCUMENT))
    for reference in found:
        assert followed(reference)
    parts = {f"#/components/{kind}/{name}" for kind, of in DOCUMENT["components"].items() for name in of}
    assert found == parts


def test_operations_have_names_of_their_own_known_tags_and_answers() -> None:
    ids = [op["operationId"] for _, _, op in OPERATIONS]
    assert sorted(set(ids)) == sorted(ids)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for _, _, op in OPERATIONS:
        assert set(op["tags"]) <= tags
        assert op["summary"]
        assert {"200", "default"} <= set(op["responses"])


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_paths_parameters_are_those_in_its_braces(path: str) -> None:
    for op in DOCUMENT["paths"][path].values():
        parameters = [followed(p["$ref"]) for p in op["parameters"]]
        named = {p["name"] for p in parameters if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in OPERATIONS])
def test_every_path_has_a_route_that_takes_the_method(path: str, method: str) -> None:
    real = re.sub(r"{version}", "1", re.sub(r"{(?!version)\w+}", "x", path)).encode()
    route = Application(FakeServer())._find(real)
    assert route is not None
    assert method.upper().encode() in route.methods


def test_every_route_is_in_the_document() -> None:
    application = Application(FakeServer())
    assert set(application._fixed) <= set(DOCUMENT["paths"])
    for kind in application._model:
        assert f"/v2/models/{{model}}{f'/{kind}' if kind else ''}" in DOCUMENT["paths"]
    for kind in application._shared:
        family, action = kind.split("/")
        assert f"/v2/{family}sharedmemory/region/{{region}}/{action}" in DOCUMENT["paths"]


def test_it_is_served() -> None:
    answer = ask("GET", "/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == DOCUMENT | {"info": json.loads(answer.body)["info"]}
