from burnish.serve.scheduling.refusals import queue_full, stopping, timeout_expired
from burnish.serve.status import Code


def test_a_request_that_is_not_run_is_told_in_tritons_words_that_the_server_cannot_now():
    assert queue_full("a").message == "[request id: a] Exceeds maximum queue size"
    assert queue_full("").message == "[request id: <id_unknown>] Exceeds maximum queue size"
    assert timeout_expired().message == "Request timeout expired"
    assert stopping("a").message.startswith("[request id: a] Server is stopping, scheduler for model has stopped")
    assert {e.code for e in (queue_full(""), timeout_expired(), stopping(""))} == {Code.UNAVAILABLE}
