"""What is in deploy/ fits its schemas, the server, and itself."""

import re

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from burnish.cli.app import app
from burnish.serve.observe.metrics import Metrics
from tests.deploy.manifests import DEPLOY, FILES, NOT_OBJECTS, documents, flags, objects, one, pod, runtime
from tests.deploy.schemas import faults
from tests.serve.http.asking import ask
from tests.serve.observe.fakes import FakeVersion, fake_server

SPECS = pytest.mark.parametrize("spec", [pod, runtime], ids=["deployment", "serving runtime"])


@pytest.mark.parametrize("path", [p for p in FILES if p.name not in NOT_OBJECTS], ids=lambda p: p.name)
def test_every_object_fits_its_schema(path):
    found = documents(path)
    assert found
    assert [fault for document in found for fault in faults(document)] == []


def test_kustomize_takes_every_object_of_its_folder():
    (document,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    assert set(document["resources"]) == {p.name for p in (DEPLOY / "kubernetes").glob("*.yaml")} - NOT_OBJECTS
    assert [image["name"] for image in document["images"]] == [c["image"] for c in pod()["containers"]]


@SPECS
def test_probes_ask_what_the_server_answers(spec):
    (container,) = spec()["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for kind, path in (("startup", "live"), ("readiness", "ready"), ("liveness", "live")):
        asked = container[f"{kind}Probe"]["httpGet"]
        assert asked["path"] == f"/v2/health/{path}"
        assert str(ports.get(asked["port"], asked["port"])) == flags(container)["http-port"]
        assert ask("GET", asked["path"]).status == 200


@SPECS
def test_ports_are_those_that_the_server_listens_on(spec):
    (container,) = spec()["containers"]
    listens = {name: int(value) for name, value in flags(container).items() if name.endswith("-port")}
    assert {port["containerPort"] for port in container["ports"]} <= set(listens.values())
    assert flags(container)["host"] == "0.0.0.0"


@pytest.mark.parametrize(
    ("spec", "whole"), [(pod, pod), (runtime, lambda: one("InferenceService", "digits")["spec"]["predictor"])]
)
def test_requests_under_way_have_time_to_end(spec, whole):
    (container,) = spec()["containers"]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert whole()["terminationGracePeriodSeconds"] >= before + int(flags(container)["drain-seconds"]) + 5
    probe = pod()["containers"][0]["readinessProbe"]
    assert before >= probe["periodSeconds"]


@SPECS
def test_a_container_may_write_only_where_a_volume_is(spec):
    (container,) = spec()["containers"]
    security = {**spec().get("securityContext", {}), **container["securityContext"]}
    assert security["runAsNonRoot"] and security["runAsUser"] > 0
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    empty = {volume["name"] for volume in spec()["volumes"] if "emptyDir" in volume}
    written = {m["mountPath"] for m in container["volumeMounts"] if m["name"] in empty and not m.get("readOnly")}
    assert {"/tmp", flags(container)["build-cache"]} <= written
    read = [m for m in container["volumeMounts"] if m["mountPath"] not in written]
    assert all(m["readOnly"] for m in read)


@SPECS
def test_arguments_are_options_that_burnish_serve_has(spec):
    command = typer.main.get_command(app).commands["serve"]
    (container,) = spec()["containers"]
    name, *words = [argument.replace("$(CORES)", "2") for argument in container["args"]]
    found = command.make_context(name, words).params
    assert (found["workers"], found["drain_seconds"], found["log_format"]) == (2, 30.0, "json")


@SPECS
def test_workers_are_the_cores_that_a_pod_asks_for(spec):
    (container,) = spec()["containers"]
    (variable,) = [e for e in container["env"] if f"$({e['name']})" == flags(container)["workers"]]
    assert variable["valueFrom"]["resourceFieldRef"] == {"resource": "requests.cpu", "divisor": "1"}
    assert container["resources"]["requests"]["cpu"]
    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]


def test_everything_selects_the_deployments_pods():
    deployment = one("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(one("Service", name)["spec"]["selector"] for name in ("burnish", "burnish-pods")),
        *(c["labelSelector"]["matchLabels"] for c in pod()["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    names = {port["name"] for port in pod()["containers"][0]["ports"]}
    for name in ("burnish", "burnish-pods"):
        assert {port["targetPort"] for port in one("Service", name)["spec"]["ports"]} <= names


def test_the_repository_is_the_claim_that_the_pods_mount():
    (volume,) = [v for v in pod()["volumes"] if "persistentVolumeClaim" in v]
    assert (
        volume["persistentVolumeClaim"]["claimName"]
        == one("PersistentVolumeClaim", "burnish-models")["metadata"]["name"]
    )
    (mount,) = [m for m in pod()["containers"][0]["volumeMounts"] if m["name"] == volume["name"]]
    assert pod()["containers"][0]["args"][:2] == ["serve", mount["mountPath"]]


def test_the_autoscaler_scales_the_deployment_which_leaves_the_number_to_it():
    scaled = one("HorizontalPodAutoscaler")["spec"]
    deployment = one("Deployment")
    assert scaled["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]
    assert scaled["minReplicas"] > one("PodDisruptionBudget")["spec"]["maxUnavailable"]


def gauges():
    """The names of the gauges on a server's metrics page that have a value for each model."""
    page = Metrics(fake_server(FakeVersion("m", 1))).text().decode()
    return {
        family.name
        for family in text_string_to_metric_families(page)
        if family.type == "gauge" and any("model" in sample.labels for sample in family.samples)
    }


def test_the_autoscaler_reads_gauges_that_the_server_has_and_the_adapter_brings():
    asked = {m["pods"]["metric"]["name"] for m in one("HorizontalPodAutoscaler")["spec"]["metrics"]}
    (values,) = documents(DEPLOY / "monitoring" / "adapter-values.yaml")
    brought = {re.match(r"\w+", rule["seriesQuery"])[0] for rule in values["rules"]["custom"]}
    assert asked == brought
    assert asked <= gauges()


def test_prometheus_finds_one_service_with_metrics():
    monitor = one("ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [o for o in objects() if o["kind"] == "Service" and wanted <= o["metadata"]["labels"].items()]
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    (endpoint,) = monitor["endpoints"]
    assert str(ports[endpoint["port"]]) == flags(pod()["containers"][0])["metrics-port"]
    told = runtime()["annotations"]
    assert told["prometheus.kserve.io/port"] == flags(runtime()["containers"][0])["metrics-port"]
    assert told["prometheus.kserve.io/path"] == endpoint["path"]


def test_the_inference_service_asks_for_what_the_runtime_has():
    model = one("InferenceService", "digits")["spec"]["predictor"]["model"]
    assert model["runtime"] == one("ServingRuntime")["metadata"]["name"]
    assert model["modelFormat"]["name"] in {f["name"] for f in runtime()["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime()["protocolVersions"]
    assert runtime()["containers"][0]["args"][:2] == ["serve", "/mnt/models"]


def test_the_image_runs_as_the_user_and_with_the_ports_of_the_pods():
    lines = [line.split() for line in (DEPLOY / "Containerfile").read_text(encoding="utf-8").splitlines() if line]
    (user,) = [words[1] for words in lines if words[0] == "USER"]
    security = pod()["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert runtime()["containers"][0]["securityContext"]["runAsUser"] == security["runAsUser"]
    (exposed,) = [words[1:] for words in lines if words[0] == "EXPOSE"]
    assert exposed == [str(port["containerPort"]) for port in pod()["containers"][0]["ports"]]
    assert ["ENTRYPOINT", '["burnish"]'] in lines
