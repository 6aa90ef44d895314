"""Whole sweeps against a small server, with processes that send."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from burnish.errors import EnvironmentProblem, UserError
from burnish.perf import Level, Options, Sequences, Tls, run_perf
from burnish.perf.data.model import describe
from burnish.perf.sweep import _search, _sweep, check_fit, levels_of
from tests.perf.fake_grpc_server import FakeGrpcServer, running_grpc
from tests.perf.fake_server import CONFIG, METADATA, FakeServer, running
from tests.perf.made_report import made_result, times

QUICK = {"window_s": 0.1, "warm_up_s": 0.05, "max_windows": 3, "window_requests": 1}


def test_a_closed_loop_sweep_measures_what_the_server_takes() -> None:
    with running(FakeServer(delay_s=lambda n: 0.02)) as server:
        report = run_perf(Options("echo", server.url, concurrency=(1, 3), **QUICK))
    first, second = report.results
    assert (first.level, second.level) == (Level(False, 1.0), Level(False, 3.0))
    for result in report.results:
        assert result.failed == 0
        assert result.latency.percentile(50) >= 20
        assert result.throughput_per_s <= result.level.value / 0.02 * 1.35  # the rest: answers that a window began with
        assert result.server[0].stages_ms["queue"] == pytest.approx(3)
    assert second.throughput_per_s > 1.5 * first.throughput_per_s
    assert report.server == {"name": "fake", "version": "1.0"} and report.model.name == "echo"


def test_an_open_loop_sends_what_was_asked_for_and_every_request_has_the_data() -> None:
    with running(FakeServer()) as server:
        report = run_perf(Options("echo", server.url, rates=(100.0,), requests=30, batch=2, data="zero"))
        assert all(r.tail == bytes(32) for r in server.received)
        assert len(server.received) == 31  # with the first trial
    (result,) = report.results
    assert result.completed == 30
    assert 50 < result.throughput_per_s < 105


def test_a_stream_over_http_has_the_times_of_its_responses() -> None:
    events = [(0.0, "{}"), (0.02, "{}"), (0.02, "{}")]
    config = {**CONFIG, "model_transaction_policy": {"decoupled": True}}
    with running(FakeServer(events=lambda n: events, config=config)) as server:
        (result,) = run_perf(Options("echo", server.url, streaming=True, requests=6)).results
    assert result.first_response is not None and result.between_responses is not None
    assert result.completed == 6 and (result.latency.values_ms >= 40).all()
    assert len(result.between_responses.values_ms) == 12 and result.between_responses.percentile(75) >= 15
    assert result.first_response.percentile(25) < 35


def test_streams_and_sequences_over_grpc_reach_the_server() -> None:
    with running_grpc(FakeGrpcServer(delay_s=lambda n: 0.01)) as server:
        options = Options(
            "echo", server.url, "grpc", streaming=True, sequences=Sequences(length=3, variation=0), requests=6
        )
        (result,) = run_perf(options).results
        flags = [
            (r.parameters["sequence_start"].bool_param, r.parameters["sequence_end"].bool_param)
            for r in server.received
        ]
    assert result.completed == 6 and result.between_responses is not None
    assert len(result.between_responses.values_ms) == 12 and result.between_responses.percentile(75) >= 8
    whole = [(True, False), (False, False), (False, True)]
    assert flags == [(True, False), (False, True), *whole, *whole]  # the first two: the trial


def test_shared_memory_is_registered_used_and_given_back() -> None:
    with running(FakeServer()) as server:
        run_perf(Options("echo", server.url, requests=3, data="zero", shared_memory="system"))
        regions = {r.fields["inputs"][0]["parameters"]["shared_memory_region"] for r in server.received}
        assert regions <= set(server.registered) and sorted(server.unregistered) == sorted(server.registered)


def test_secured_servers_are_measured_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("someone").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = str(tmp_path / "own.pem")
    tls = Tls(str(tmp_path / "ca.pem"), own, own)
    with running(FakeServer(), context) as server:
        (result,) = run_perf(Options("echo", f"https://{server.url}", requests=4, tls=tls)).results
        assert (result.completed, result.failed) == (4, 0)
        with pytest.raises(EnvironmentProblem, match="E685"):
            run_perf(Options("echo", f"https://{server.url}", requests=4))


def test_grpc_is_secured_with_the_same_files(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = authority.cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(ca)
    authority.issue_cert("someone").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    server_own = authority.issue_cert("127.0.0.1")
    pair = server_own.private_key_pem.bytes(), b"".join(blob.bytes() for blob in server_own.cert_chain_pems)
    own = str(tmp_path / "own.pem")
    with running_grpc(FakeGrpcServer(), grpc.ssl_server_credentials([pair], ca, require_client_auth=True)) as server:
        options = Options(
            "echo", f"grpcs://{server.url}", "grpc", requests=4, tls=Tls(str(tmp_path / "ca.pem"), own, own)
        )
        (result,) = run_perf(options).results
    assert (result.completed, result.failed) == (4, 0)


def levels(throughput: Callable[[float], float], latency: Callable[[float], float]) -> tuple[list[float], Any]:
    """What was measured, and a function that measures without a server."""
    seen: list[float] = []

    def measure(level: Level) -> Any:
        seen.append(level.value)
        return made_result(level.value, throughput(level.value), times(latency(level.value)), level=level)

    return seen, measure


def test_a_sweep_ends_at_the_first_level_above_the_limit() -> None:
    seen, measure = levels(lambda n: 100, lambda n: 10 * n)
    list(_sweep(Options("m", concurrency=(1, 2, 3, 4, 5), latency_limit_ms=25.0), measure))
    assert seen == [1, 2, 3]


def test_a_search_finds_the_largest_level_within_the_limit() -> None:
    seen, measure = levels(lambda n: 100, lambda n: 10 * n)
    found = list(_search(Options("m", concurrency=(1, 64), latency_limit_ms=125.0, search=True), measure))
    assert max(r.level.value for r in found if r.judged_ms <= 125) == 12 and 13 in seen and len(seen) <= 9
    seen, measure = levels(lambda n: 100, lambda n: n / 10)
    found = list(_search(Options("m", rates=(100.0, 500.0), latency_limit_ms=33.0, search=True), measure))
    assert max(r.level.value for r in found if r.judged_ms <= 33) == pytest.approx(330, abs=8)


def test_a_search_ends_at_once_where_all_or_none_keep_the_limit() -> None:
    for limit, expected in ((1.0, [1]), (9999.0, [1, 64])):
        seen, measure = levels(lambda n: 100, lambda n: 10 * n)
        list(_search(Options("m", concurrency=(1, 64), latency_limit_ms=limit, search=True), measure))
        assert seen == expected


def test_distances_are_one_level_of_their_mean_rate() -> None:
    assert levels_of(Options("m", intervals_s=(0.01, 0.03))) == [Level(True, 50.0)]


@pytest.mark.parametrize(
    ("config", "options", "hint"),
    [
        ({"model_transaction_policy": {"decoupled": True}}, {}, "--streaming"),
        ({"sequence_batching": {}}, {}, "--sequence-length"),
        ({}, {"search": True}, "--latency-limit"),
        ({}, {"streaming": True, "shared_memory": "system"}, "--protocol grpc"),
        ({}, {"streaming": True, "sequences": Sequences()}, "--protocol grpc"),
    ],
)
def test_options_that_do_not_go_with_the_model_are_refused(config: Any, options: Any, hint: str) -> None:
    with pytest.raises(UserError, match="E680") as caught:
        check_fit(describe(METADATA, {**CONFIG, **config}), Options("echo", **options))
    assert hint in str(caught.value)
