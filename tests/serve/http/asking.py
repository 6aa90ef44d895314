"""Ask a running fake server one thing, in a line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.serve.http.fake_core import Answer, Running


def ask(method: str, path: str, body: Any = b"", *headers: str, **options: Any) -> Answer:
    """body: bytes, text, or what becomes JSON."""

    async def main() -> Answer:
        async with Running(**options) as running:
            return await send(running, method, path, body, *headers)

    return asyncio.run(main())


async def send(running: Running, method: str, path: str, body: Any = b"", *headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if method == "POST":
        return await running.post(path, raw, *headers)
    return await running.get(path, *headers)


def told(answer: Answer) -> tuple[int, str, str]:
    """Status, Content-Type, the error's message."""
    return answer.status, answer.headers["content-type"], json.loads(answer.body)["error"]


def tensor(name: str = "IN", datatype: str = "FP32", shape: Any = (2,), **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape), **more}
