"""ModelInfer and ModelStreamInfer over the wire, with Triton's own client; models are functions."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as client
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from burnish.serve.grpc.service import methods
from tests.serve.grpc.pretended import PretendedServer, PretendedVersion, count_up, fail, identity, refuse, wait
from tests.serve.grpc.transport.serving import Serving


@pytest.fixture(scope="module")
def core() -> PretendedServer:
    return PretendedServer(
        PretendedVersion("identity", 1, identity),
        PretendedVersion("identity", 2, identity),
        PretendedVersion("wait", 1, wait),
        PretendedVersion("fail", 1, fail),
        PretendedVersion("full", 1, refuse),
        PretendedVersion("count", 1, count_up, decoupled=True),
    )


@pytest.fixture(scope="module")
def serving(core: PretendedServer) -> Iterator[Serving]:
    with Serving(methods(core), prefix="") as found:  # type: ignore[arg-type]
        yield found


@pytest.fixture
def triton(serving: Serving) -> Iterator[client.InferenceServerClient]:
    with client.InferenceServerClient(f"127.0.0.1:{serving.port}") as found:
        yield found


def tensor(values: list[int], name: str = "IN") -> client.InferInput:
    found = client.InferInput(name, [len(values)], "INT32")
    found.set_data_from_numpy(np.array(values, np.int32))
    return found


def seen(call: Any, *arguments: Any, **named: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as found:
        call(*arguments, **named)
    return found.value.status().removeprefix("StatusCode."), found.value.message()


def test_an_answer_names_its_model_its_version_and_its_request(triton: client.InferenceServerClient) -> None:
    result = triton.infer("identity", [tensor([1, 2, 3])], model_version="2", request_id="seven")
    assert result.as_numpy("OUT").tolist() == [1, 2, 3]
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("identity", "2", "seven")
    assert "triton_final_response" not in response.parameters


def test_errors_keep_their_codes_and_words(triton: client.InferenceServerClient) -> None:
    one = [tensor([1])]
    assert seen(triton.infer, "nosuch", one) == ("NOT_FOUND", "Request for unknown model: 'nosuch' is not found")
    assert seen(triton.infer, "fail", one) == ("NOT_FOUND", "said on purpose")
    assert seen(triton.infer, "full", one) == ("UNAVAILABLE", "the queue is full")
    words = "ModelInfer RPC doesn't support models with decoupled transaction policy"
    assert seen(triton.infer, "count", one) == ("UNIMPLEMENTED", words)
    code, words = seen(triton.infer, "identity", one, model_version="abc")
    assert code == "INVALID_ARGUMENT"
    assert words.startswith("failed to get model version from specified version string 'abc'")


def stub(serving: Serving) -> service_pb2_grpc.GRPCInferenceServiceStub:
    return service_pb2_grpc.GRPCInferenceServiceStub(serving.channel())


def request(model: str, values: list[int], **more: Any) -> service_pb2.ModelInferRequest:
    message = service_pb2.ModelInferRequest(
        model_name=model, raw_input_contents=[np.array(values, np.int32).tobytes()], **more
    )
    message.inputs.add(name="IN", datatype="INT32", shape=[len(values)])
    return message


def test_data_that_does_not_fit_is_told_only_if_nothing_else_is_wrong(serving: Serving) -> None:
    message = request("identity", [1, 2])
    message.inputs[0].shape[0] = 3
    with pytest.raises(grpc.RpcError) as found:
        stub(serving).ModelInfer(message, timeout=5)
    assert "input byte size mismatch for input 'IN'" in found.value.details()
    message.inputs[0].name = "unexpected"
    with pytest.raises(grpc.RpcError) as found:
        stub(serving).ModelInfer(message, timeout=5)
    assert found.value.details() == "unexpected comes first"


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_client_that_waits_no_more_takes_its_job_out_of_the_queue(
    how: str, serving: Serving, core: PretendedServer
) -> None:
    before = len(core.jobs)
    waiting = stub(serving).ModelInfer.future(request("wait", [1]), timeout=0.15 if how == "deadline" else 20)
    until(lambda: len(core.jobs) > before)
    if how == "cancel":
        waiting.cancel()
    until(lambda: core.jobs[-1].is_cancelled)


def test_a_late_answer_reaches_its_client(serving: Serving, core: PretendedServer) -> None:
    before = len(core.jobs)
    waiting = stub(serving).ModelInfer.future(request("wait", [5]), timeout=20)
    until(lambda: len(core.jobs) > before)
    serving.look(lambda: identity(core.jobs[-1]))
    assert waiting.result().raw_output_contents[0] == np.array([5], np.int32).tobytes()


def streamed(serving: Serving, *messages: service_pb2.ModelInferRequest) -> list[service_pb2.ModelStreamInferResponse]:
    return list(stub(serving).ModelStreamInfer(iter(messages), timeout=10))


def finals(found: list[service_pb2.ModelStreamInferResponse]) -> list[bool]:
    return [m.infer_response.parameters["triton_final_response"].bool_param for m in found]


def test_a_stream_answers_each_request_and_goes_on_after_errors(serving: Serving) -> None:
    found = streamed(
        serving, request("identity", [1], id="a"), request("nosuch", [1], id="b"), request("full", [1], id="c"),
        request("fail", [1], id="d"), request("identity", [2], id="e"),
    )  # fmt: skip
    assert [m.infer_response.id for m in found] == ["a", "b", "c", "d", "e"]
    unknown = "Request for unknown model: 'nosuch' is not found"
    assert [m.error_message for m in found] == ["", unknown, "the queue is full", "said on purpose", ""]
    assert [m.infer_response.model_name for m in found] == ["identity", "", "", "fail", "identity"]
    assert [len(m.infer_response.parameters) for m in found] == [1, 0, 0, 1, 1]
    assert finals([found[0], found[3], found[4]]) == [True] * 3


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("is_told", [False, True])
def test_a_decoupled_model_gives_any_number_of_answers_and_an_end_if_asked(
    serving: Serving, count: int, is_told: bool
) -> None:
    message = request("count", [count], id="a")
    message.parameters["triton_enable_empty_final_response"].bool_param = is_told
    found = streamed(serving, message)
    assert finals(found) == [False] * count + [True] * is_told
    values = [np.frombuffer(m.infer_response.raw_output_contents[0], np.int32)[0] for m in found[:count]]
    assert values == list(range(count))
    if is_told:
        last = found[-1].infer_response
        assert (last.model_name, last.model_version, last.id, len(last.outputs)) == ("count", "", "a", 0)


def test_answers_of_a_stream_keep_the_order_of_its_requests(serving: Serving, core: PretendedServer) -> None:
    before = len(core.jobs)
    given: queue.Queue[service_pb2.ModelInferRequest | None] = queue.Queue()
    answers = stub(serving).ModelStreamInfer(iter(given.get, None), timeout=20)
    for number in range(3):
        given.put(request("wait", [number], id=str(number)))
    until(lambda: len(core.jobs) == before + 3)
    for place in (2, 0, 1):
        serving.look(lambda place=place: identity(core.jobs[before + place]))  # type: ignore[misc]
    given.put(request("identity", [9], id="last"))
    given.put(None)
    assert [m.infer_response.id for m in answers] == ["0", "1", "2", "last"]


def test_a_cancelled_stream_cancels_all_its_jobs(serving: Serving, core: PretendedServer) -> None:
    before = len(core.jobs)
    given: queue.Queue[service_pb2.ModelInferRequest | None] = queue.Queue()
    answers = stub(serving).ModelStreamInfer(iter(given.get, None), timeout=20)
    given.put(request("wait", [1]))
    given.put(request("wait", [2]))
    until(lambda: len(core.jobs) == before + 2)
    answers.cancel()
    given.put(None)
    until(lambda: all(job.is_cancelled for job in core.jobs[before:]))


def test_what_is_no_message_is_refused(serving: Serving) -> None:
    for path in ("ModelInfer", "ModelMetadata"):
        call = serving.channel().unary_unary(f"/inference.GRPCInferenceService/{path}")
        with pytest.raises(grpc.RpcError) as found:
            call(b"\xff\xff", timeout=5)
        assert found.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert found.value.details() == f"the request is no message of {path}"


def until(is_so: Any) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_clients_trace_context_goes_into_the_request(
    core: PretendedServer, triton: client.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_requests: list[Any] = []
    infer = core.infer

    def watched(request: Any, reply: Any) -> Any:
        seen_requests.append(request)
        return infer(request, reply)

    monkeypatch.setattr(core, "infer", watched)
    triton.infer("identity", [tensor([1])], headers={"traceparent": "00-a-b-01", "tracestate": "v=1", "other": "x"})
    triton.infer("identity", [tensor([1])])
    assert [(r.traceparent, r.tracestate) for r in seen_requests] == [("00-a-b-01", "v=1"), ("", "")]
