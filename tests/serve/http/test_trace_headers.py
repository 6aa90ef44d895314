from burnish.serve.http.trace_headers import read_trace_headers
from burnish.serve.request import Request


def read(headers):
    request = Request("m", {})
    read_trace_headers(headers, request)
    return request.traceparent, request.tracestate


def test_a_clients_trace_context_goes_into_the_request():
    assert read({b"traceparent": b"00-a-b-01", b"tracestate": b"v=1"}) == ("00-a-b-01", "v=1")
    assert read({b"traceparent": b"00-a-b-01"}) == ("00-a-b-01", "")
    assert read({b"tracestate": b"v=1"}) == ("", ""), "without a parent there is no trace"
