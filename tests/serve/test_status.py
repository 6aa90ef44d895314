from burnish.serve.status import Code, ServeError, invalid


def test_an_error_knows_its_status_in_both_protocols():
    assert (Code.NOT_FOUND.http, Code.NOT_FOUND.grpc) == (404, 5)
    assert invalid("no").code is Code.INVALID_ARG


def test_an_error_of_a_complete_request_begins_with_its_id():
    error = ServeError(Code.INTERNAL, "it failed")
    assert error.of_request("q-1").message == "[request id: q-1] it failed"
    assert error.of_request("").message == "[request id: <id_unknown>] it failed"
