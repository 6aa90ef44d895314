"""TLS, mutual TLS and API keys on both ports, as clients see them."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import urllib.error
import urllib.request

import grpc
import pytest
import trustme

from burnish.errors import EnvironmentProblem
from burnish.serve.app.assemble import assemble
from burnish.serve.app.options import ServeOptions, Tls
from burnish.serve.app.ports import Ports
from burnish.serve.core.server import ServerOptions

LIVE = "/inference.GRPCInferenceService/ServerLive"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """The server's TLS files, with an authority for clients."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return Tls(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")


def served(options: ServeOptions, ask):
    """What `ask(where)` gives, called in a thread while the ports are open."""

    async def run():
        ports = Ports()
        where = await ports.open(options, assemble(options, asyncio.get_running_loop()))
        try:
            return await asyncio.to_thread(ask, where)
        finally:
            await ports.close(0.1)

    return asyncio.run(run())


def options_of(tmp_path, tls):
    return ServeOptions(
        ServerOptions((tmp_path,)), "localhost", 0, 0, 0, http_tls=tls, grpc_tls=tls, build_cache=tmp_path
    )


def http_status(where, context) -> int:
    with (
        socket.create_connection((where.host, where.http)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as client,
    ):
        client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = client.recv(100)
        if not answer:  # in TLS 1.3 the handshake ends before the server has looked at the client's certificate
            raise ConnectionResetError
        return int(answer.split()[1])


def grpc_answer(where, authority, issued=None) -> bytes:
    pair = (None, None)
    if issued is not None:
        pair = issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *pair)
    with grpc.secure_channel(f"localhost:{where.grpc}", credentials) as channel:
        return channel.unary_unary(LIVE)(b"", timeout=10)


def client_context(authority, issued=None):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if issued is not None:
        issued.configure_cert(context)
    return context


def test_both_ports_speak_tls(tmp_path, files, authority):
    def ask(where):
        return http_status(where, client_context(authority)), grpc_answer(where, authority)

    assert served(options_of(tmp_path, Tls(files.certificate, files.key)), ask) == (200, b"\x08\x01")


def test_with_mutual_tls_only_clients_with_a_certificate_come_in(tmp_path, files, authority):
    issued = authority.issue_cert("client")

    def ask(where):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            http_status(where, client_context(authority))
        with pytest.raises(grpc.RpcError):
            grpc_answer(where, authority)
        foreign = trustme.CA().issue_cert("client")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            http_status(where, client_context(authority, foreign))
        return http_status(where, client_context(authority, issued)), grpc_answer(where, authority, issued)

    assert served(options_of(tmp_path, files), ask) == (200, b"\x08\x01")


def test_a_port_that_is_taken_has_a_code_and_each_may_have_its_own_address(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = ServeOptions(ServerOptions((tmp_path,)), "127.0.0.1", None, taken.getsockname()[1], None)
        with pytest.raises(EnvironmentProblem, match="E850"):
            served(options, lambda where: where)
    options = ServeOptions(
        ServerOptions((tmp_path,)), "127.0.0.2", 0, 0, 0, grpc_host="127.0.0.3", metrics_host="127.0.0.4"
    )

    def ask(where):
        for host, port in (
            (where.host, where.http),
            (where.grpc_host, where.grpc),
            (where.metrics_host, where.metrics),
        ):
            socket.create_connection((host, port), 5).close()
        return where.host, where.grpc_host, where.metrics_host

    assert served(options, ask) == ("127.0.0.2", "127.0.0.3", "127.0.0.4")


def test_api_keys_count_on_both_ports(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"infer sha256:{hashlib.sha256(b'secret').hexdigest()}\n")
    options = ServeOptions(ServerOptions((tmp_path,)), "localhost", 0, 0, None, keys=path)

    def ask(where):
        url = f"http://localhost:{where.http}/v2"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, timeout=10)
        known = urllib.request.urlopen(urllib.request.Request(url, headers={"x-api-key": "secret"}), timeout=10)
        with refused.value, known, grpc.insecure_channel(f"localhost:{where.grpc}") as channel:
            metadata = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
            with pytest.raises(grpc.RpcError) as refused_call:
                metadata(b"", timeout=10)
            answer = metadata(b"", timeout=10, metadata=(("authorization", "Bearer secret"),))
            assert b"burnish" in answer
            with pytest.raises(grpc.RpcError) as forbidden:
                index = channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
                index(b"", timeout=10, metadata=(("authorization", "Bearer secret"),))
            return refused.value.code, known.status, refused_call.value.code(), forbidden.value.code()

    codes = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
    assert served(options, ask) == (401, 200, *codes)
