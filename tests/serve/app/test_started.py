from types import SimpleNamespace

from burnish.serve.app.started import StartedModel, started_models
from burnish.serve.repository.model import READY, UNAVAILABLE, Model, VersionState


def test_every_version_is_told_and_why_it_is_not_ready():
    config = SimpleNamespace(backend="", platform="ensemble")
    ready = VersionState(READY, "", SimpleNamespace(config=config, memory_bytes=7))
    models = {"b": Model("b", {1: VersionState(UNAVAILABLE, "why")}), "a": Model("a", {10: ready})}
    refused = {"b": "a reload that failed", "ab": "no such field"}
    assert started_models(SimpleNamespace(models=models, refused=refused)) == (
        StartedModel("a", "10", READY, "", "ensemble", 7),
        StartedModel("ab", "-", UNAVAILABLE, "no such field", "", 0),
        StartedModel("b", "1", UNAVAILABLE, "why", "", 0),
    )
