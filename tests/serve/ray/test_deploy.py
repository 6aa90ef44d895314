"""A repository on a cluster of three nodes, all on this machine: one to come in by, two that may hold models."""

import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed: pip install 'burnish[ray]'")
import ray
from ray import serve
from ray.cluster_utils import Cluster

from burnish.serve.app.options import ServeOptions
from burnish.serve.core.server import ServerOptions
from burnish.serve.ray.deploy import NAME, RayOptions, deploy
from tests.serve.app.server_process import ROOT
from tests.serve.app.test_run import CONFIG, MODEL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray's own
]
STORE = 80 << 20  # bytes of each node's object store, the least that Ray takes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_model(folder, more="1"):
    (folder / "m" / "1").mkdir(parents=True, exist_ok=True)
    (folder / "m" / "1" / "model.py").write_text(MODEL.replace("a + 1", f"a + {more}"))
    (folder / "m" / "config.pbtxt").write_text(CONFIG)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """address, nodes, options(port, repository) and ask(path, body)."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)  # of the nodes' workers, which unpickle what we send
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    )
    repository = tmp_path_factory.mktemp("repository")
    write_model(repository)
    port = free_port()

    def ask(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    try:
        workers = [nodes.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
        nodes.wait_for_nodes()
        ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
        options = ServeOptions(ServerOptions((repository,), version="1.0"), http_port=port)
        yield SimpleNamespace(nodes=nodes, workers=workers, repository=repository, options=options, ask=ask)
        serve.shutdown()
    finally:
        ray.shutdown()
        nodes.shutdown()
        os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)


def put(cluster, **changes):
    deploy(cluster.options, RayOptions(cluster.nodes.address, proxies="HeadOnly", cores=0.3, **changes))


def infer(cluster, value):
    status, body = cluster.ask(
        "/v2/models/m/infer", {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [value]}]}
    )
    return status, json.loads(body)["outputs"][0]["data"][0] if status == 200 else body


@contextmanager
def traffic(cluster, clients=4, value=100.0):
    """Closed loops while the block runs; what each request came to."""
    found, ends = [], threading.Event()

    def loop():
        while not ends.is_set():
            try:
                found.append(infer(cluster, value))
            except OSError as error:
                found.append((0, repr(error)))

    threads = [threading.Thread(target=loop) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        ends.set()
        for thread in threads:
            thread.join()


def replicas():
    return serve.status().applications[NAME].deployments["models"].replica_states


def running():
    return replicas().get("RUNNING", 0)


def wait_until(holds, seconds=90):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, serve.status()
        time.sleep(0.2)


def test_a_deployed_repository_answers_as_a_server_does(cluster):
    put(cluster)
    assert cluster.ask("/v2/health/ready") == (200, b"")
    assert json.loads(cluster.ask("/v2")[1])["name"] == "burnish"
    assert infer(cluster, 5.0) == (200, 6.0)
    assert cluster.ask("/v2/models/none/infer", {})[0] == 404
    status, body = cluster.ask("/v2/repository/models/m/load", {})
    assert (status, "burnish serve --ray" in json.loads(body)["error"]) == (400, True)


def test_a_new_repository_replaces_the_replicas_without_a_failed_request(cluster):
    put(cluster)
    with traffic(cluster) as found:
        write_model(cluster.repository, "2")
        put(cluster)
        before = len(found)
        wait_until(lambda: len(found) > before + 8)
    assert Counter(status for status, _ in found) == {200: len(found)}
    values = [value for _, value in found]
    assert {values[0], values[-1]} == {101.0, 102.0}
    assert infer(cluster, 5.0) == (200, 7.0)


def test_a_broken_repository_is_refused_with_its_reason_and_the_old_replicas_go_on(cluster):
    put(cluster)
    old = infer(cluster, 5.0)
    (cluster.repository / "m" / "1" / "model.py").write_text("import nothing_of_this_name")
    try:
        with pytest.raises(RuntimeError, match="nothing_of_this_name"):
            put(cluster)
        assert infer(cluster, 5.0) == old
    finally:
        write_model(cluster.repository)


def test_replicas_come_and_go_with_the_requests_under_way(cluster):
    put(cluster, replicas=1, max_replicas=3, requests=2.0, shrink_s=3.0)
    wait_until(lambda: running() == 1)
    with traffic(cluster, 12) as found:
        wait_until(lambda: running() == 3)
    wait_until(lambda: running() == 1)
    assert Counter(status for status, _ in found) == {200: len(found)}


def test_the_loss_of_a_node_costs_no_request(cluster):
    put(cluster)
    with traffic(cluster) as found:
        wait_until(lambda: len(found) > 8)
        cluster.nodes.remove_node(cluster.workers.pop(), allow_graceful=False)
        wait_until(lambda: running() == 2 and "STARTING" not in replicas())
        before = len(found)
        wait_until(lambda: len(found) > before + 8)
    assert Counter(status for status, _ in found) == {200: len(found)}
    assert {value for _, value in found} == {101.0}
