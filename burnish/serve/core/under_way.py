"""How much the server holds of clients' requests at once, whatever protocol they came over and in whichever queue."""

from __future__ import annotations

from burnish.serve.job import Job
from burnish.serve.request import Tensor


class UnderWay:
    """Requests that are queued or running, and the bytes of their inputs. Above a limit further ones are refused, so
    that an overload that lasts cannot fill the memory. Requests that are answered at once never enter."""

    __slots__ = ("bytes", "most_bytes", "most_requests", "requests")

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        self.most_requests, self.most_bytes = most_requests, most_bytes
        self.requests = self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.requests >= self.most_requests or self.bytes >= self.most_bytes

    def enter(self, job: Job) -> None:
        size = sum(map(_size, job.request.inputs.values()))
        self.requests += 1
        self.bytes += size

        def leave(_: Job) -> None:
            self.requests -= 1
            self.bytes -= size

        job.on_end.append(leave)


def _size(tensor: Tensor) -> int:
    data = tensor.data
    return int(data.nbytes) if data.dtype != object else sum(map(len, data.ravel()))
