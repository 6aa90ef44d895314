"""Every metric that a dashboard or an alert asks for is one that a server shows, with the labels it is asked by."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from burnish.serve.observe.metrics import Metrics
from tests.serve.observe.fakes import FakeVersion, fake_server
from tests.serve.observe.test_machine import FakeNvml

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana/burnish.json"
ALERTS = DEPLOY / "prometheus/burnish_alerts.yml"
_NAME = re.compile(r"\b((?:nv|burnish|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")


def shown():
    """Label names by the name of each series, of a server that has everything."""
    version = FakeVersion("m", has_cache=True)
    version.ran()
    cache = SimpleNamespace(
        lookups=1, hits=1, misses=0, evictions=0, entries=1, utilization=0, lookup_ns=0, insert_ns=0
    )
    output = SimpleNamespace(elements=1, unequal=0, beyond=0, requests=0, max_abs=0.0, max_rel=0.0)
    shadow = SimpleNamespace(compared=1, failed=0, skipped=0, outputs={"y": output})
    metrics = Metrics(fake_server(version), cache=cache, shadows=lambda: {"m": shadow})
    metrics.machine.look_for_gpus(FakeNvml())
    found = {}
    for line in metrics.text().decode().splitlines():
        if not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:\{(.*)\})?", line).groups()
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    assert list(text_string_to_metric_families(metrics.text().decode()))
    return found


def dashboard_expressions():
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def alert_expressions():
    text = ALERTS.read_text()
    return re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)", text)


@pytest.mark.parametrize("expressions", [dashboard_expressions, alert_expressions])
def test_every_metric_and_label_that_is_asked_for_is_shown(expressions):
    names = shown()
    asked = [match for e in expressions() for match in _NAME.finditer("".join(e))]
    assert len(asked) > 8
    for match in asked:
        name, labels = match.groups()
        assert name in names, name
        own = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", labels or "")) - {"instance"}
        assert own <= names[name], (name, own)


def test_panels_do_not_overlap_and_have_numbers_of_their_own():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    cells = [
        (x, y)
        for p in panels
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
