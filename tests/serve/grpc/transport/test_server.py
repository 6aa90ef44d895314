"""The server as grpcio's own client sees it: calls, streams, sizes, compression, TLS, and its end."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path

import grpc
import pytest
import trustme

from burnish.serve.app.options import Tls
from burnish.serve.app.tls import tls_context
from burnish.serve.grpc.transport.call import Call, Unary
from tests.serve.grpc.transport.serving import ECHO, PATH, Serving


@pytest.mark.parametrize("size", [0, 1, 16379, 16380, 65530, 70_000, 5_000_000])
def test_a_message_of_any_size_comes_back(size: int) -> None:
    message = random.Random(size).randbytes(size)
    with Serving(ECHO) as server:
        call = server.unary()
        assert call(message, timeout=10) == message
        assert call(message, timeout=10) == message
        assert server.look(lambda: server.server.buffered) == 0


def test_many_large_and_small_calls_at_once_share_the_connection() -> None:
    chosen = random.Random(5)
    messages = [chosen.randbytes(chosen.choice((3, 40_000, 1_500_000))) for _ in range(40)]
    with Serving(ECHO) as server:
        call = server.unary()
        waiting = [call.future(m, timeout=20) for m in messages]
        assert [w.result() for w in waiting] == messages


def test_a_stream_answers_each_message_while_more_come() -> None:
    messages = [bytes([i]) * (i * 1000) for i in range(60)]
    with Serving(ECHO) as server:
        assert list(server.stream("echo_all")(iter(messages), timeout=10)) == messages
        assert list(server.stream("echo_all")(iter([]), timeout=10)) == []


def test_a_stream_larger_than_all_windows_comes_back() -> None:
    messages = [bytes(3_000_000), b"x", bytes(6_000_000)]
    with Serving(ECHO) as server:
        assert list(server.stream("echo_all")(iter(messages), timeout=20)) == messages


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("kind", [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression])
def test_compression_is_read_and_written(kind: grpc.Compression, level: int) -> None:
    message = b"abc" * 10_000
    with Serving(ECHO, level=level) as server:
        assert server.unary()(message, timeout=10, compression=kind) == message
        assert list(server.stream("echo_all")(iter([message] * 3), timeout=10, compression=kind)) == [message] * 3


def test_a_server_drains_calls_under_way_and_takes_no_others() -> None:
    async def slow(message: bytes, call: Call) -> bytes:
        await asyncio.sleep(0.3)
        return message

    async def handler(message: bytes, call: Call) -> bytes:
        return await slow(message, call)

    with Serving({"slow": Unary(handler)}) as server:
        call = server.unary("slow")
        waiting = [call.future(b"%d" % i, timeout=5) for i in range(8)]
        deadline = time.monotonic() + 5
        while server.look(lambda: server.server.active_calls) < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.on_loop(server.server.stop(grace_s=5))
        assert [w.result() for w in waiting] == [b"%d" % i for i in range(8)]
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=2)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_does_not_finish_within_the_grace_is_ended() -> None:
    cancelled = threading.Event()

    async def forever(message: bytes, call: Call) -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return message

    with Serving({"forever": Unary(forever)}) as server:
        waiting = server.unary("forever").future(b"", timeout=20)
        while server.look(lambda: server.server.active_calls) < 1:
            time.sleep(0.01)
        server.on_loop(server.server.stop(grace_s=0.05))
        error = waiting.exception(timeout=5)
        assert isinstance(error, grpc.RpcError)
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert cancelled.wait(5)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    found: dict[str, bytes | Path] = {"authority": authority.cert_pem.bytes(), "authority_file": folder / "ca.pem"}
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, identity in (("server", "localhost"), ("client", "client@example.org")):
        issued = authority.issue_cert(identity)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        found |= {name: folder / f"{name}.pem", f"{name}_key": folder / f"{name}.key"}
    return found


def secure_echo(port: int, credentials: grpc.ChannelCredentials) -> bytes:
    with grpc.secure_channel(f"localhost:{port}", credentials, (("grpc.use_local_subchannel_pool", 1),)) as channel:
        return channel.unary_unary(PATH + "echo")(b"secret" * 50_000, timeout=5)


def test_tls_serves_clients_that_trust_the_certificate(certificates: dict[str, bytes | Path]) -> None:
    context = tls_context(Tls(certificates["server"], certificates["server_key"]), ("h2",))
    with Serving(ECHO, tls=context) as server:
        assert secure_echo(server.port, grpc.ssl_channel_credentials(certificates["authority"])) == b"secret" * 50_000  # type: ignore[arg-type]


def test_mutual_tls_wants_a_certificate_of_its_authority(certificates: dict[str, bytes | Path]) -> None:
    paths = {name: str(path) for name, path in certificates.items()}
    context = tls_context(Tls(*(certificates[name] for name in ("server", "server_key", "authority_file"))), ("h2",))
    key, chain = Path(paths["client_key"]).read_bytes(), Path(paths["client"]).read_bytes()
    with Serving(ECHO, tls=context) as server:
        authority = certificates["authority"]
        assert secure_echo(server.port, grpc.ssl_channel_credentials(authority, key, chain)) == b"secret" * 50_000  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as refused:
            secure_echo(server.port, grpc.ssl_channel_credentials(authority))  # type: ignore[arg-type]
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_is_answered_in_place_leaves_the_connection_at_rest_and_what_waits_does_not() -> None:
    waiting: list[Call] = []
    at_rest: list[bool] = []  # and whether there was then a call under way
    methods = {"now": Unary(lambda message, call: message), "later": Unary(lambda message, call: waiting.append(call))}
    with Serving(methods) as server:
        server.server.rest = lambda: at_rest.append(server.server.active_calls > 0)
        assert server.unary("now")(b"a", timeout=10) == b"a"
        assert at_rest
        later = server.unary("later").future(b"b", timeout=10)
        while not waiting:
            time.sleep(0.01)
        server.look(lambda: waiting[0].reply(b"c"))
        assert later.result() == b"c"
        assert not any(at_rest)
