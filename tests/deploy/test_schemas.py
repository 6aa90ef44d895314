import copy

import pytest

from tests.deploy.manifests import one
from tests.deploy.schemas import faults


def changed(kind, path, value, name="burnish"):
    """The object with one field set to `value`, or taken away for None."""
    document = copy.deepcopy(one(kind, name))
    *way, last = path
    inner = document
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return document


POD = ("spec", "template", "spec")
MODEL = ("spec", "predictor", "model")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (lambda: changed("Deployment", (*POD, "terminationGracePeriod"), 5), "terminationGracePeriod"),
        (lambda: changed("Deployment", (*POD, "terminationGracePeriodSeconds"), "5s"), "'5s' is not of type"),
        (lambda: changed("Deployment", ("spec", "selector"), None), "'selector' is a required property"),
        (lambda: changed("HorizontalPodAutoscaler", ("spec", "metrics", 0, "pods", "metrics"), {}), "'metrics'"),
        (lambda: changed("ServingRuntime", ("spec", "protocols"), ["v2"]), "'protocols'"),
        (lambda: changed("ServingRuntime", ("spec", "containers", 0, "port"), 1), "'port'"),
        (lambda: changed("ServingRuntime", ("spec", "volumes", 0, "emptyDirectory"), {}), "'emptyDirectory'"),
        (lambda: changed("InferenceService", ("spec", "predictor", "minReplicas"), "two", "digits"), "'two'"),
        (lambda: changed("InferenceService", (*MODEL, "modelFormat", "name"), None, "digits"), "name"),
        (lambda: changed("ServiceMonitor", ("spec", "endpoints", 0, "interval"), "often"), "'often' does not match"),
    ],
)  # fmt: skip
def test_an_object_with_a_fault_is_refused(document, words):
    (fault,) = faults(document())
    assert words in fault
