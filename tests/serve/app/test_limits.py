from burnish.serve.app.limits import grpc_limits, http_limits
from burnish.serve.app.options import ServeOptions
from burnish.serve.core.server import ServerOptions


def test_a_client_may_cost_the_same_over_both_protocols(tmp_path):
    options = ServeOptions(ServerOptions((tmp_path,)), body_bytes=8 << 30)
    http, grpc = http_limits(options), grpc_limits(options)
    assert http.body_bytes == http.decompressed_bytes == grpc.message_bytes == 8 << 30
    assert http.held_bytes == grpc.buffered_bytes == 16 << 30  # more than one body that is allowed
    assert (http.stall_s, http.slowest_bytes_s) == (grpc.stall_s, grpc.slowest_bytes_s)


def test_grpc_may_have_a_limit_of_its_own(tmp_path):
    options = ServeOptions(ServerOptions((tmp_path,)), body_bytes=99, message_bytes=3 << 30)
    assert http_limits(options).body_bytes == 99
    assert (grpc_limits(options).message_bytes, grpc_limits(options).buffered_bytes) == (3 << 30, 6 << 30)
