"""The page and its events, over HTTP and in a browser."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.http.wire.listener import Listener
from burnish.serve.observe import dashboard as module
from burnish.serve.observe.dashboard import Dashboard
from burnish.serve.scheduling.traffic.difference import Difference
from burnish.serve.scheduling.traffic.report import ShadowReport
from burnish.serve.scheduling.traffic.shadow import Comparison
from tests.serve.observe.fakes import FakeVersion, fake_server

CHROMIUM = shutil.which("chromium")


def routed(dashboard, end_after_s=0.0):
    """end_after_s: the page's last bytes come so late, which is when a headless browser takes its picture."""
    pages = dashboard.pages()

    def handle(exchange: Exchange) -> None:
        path = exchange.path.decode()
        if path == "/" and end_after_s:
            start, tail, end = (Path(module.__file__).with_name("page.html").read_bytes()).rpartition(b"</body>")
            exchange.begin(200, b"text/html; charset=utf-8")
            exchange.send(start)
            loop = asyncio.get_running_loop()
            loop.call_later(end_after_s, exchange.send, tail + end)
            loop.call_later(end_after_s, exchange.end)
        elif path in pages:
            pages[path](exchange)
        else:
            exchange.fail(404, "none")

    return handle


async def listening(dashboard, end_after_s=0.0):
    listener = Listener(routed(dashboard, end_after_s))
    return listener, await listener.open("127.0.0.1", 0)


async def asked(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return reader, writer


async def events(reader, count):
    text = ""
    while len(found := re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)) < count:
        text += (await asyncio.wait_for(reader.read(65536), 5)).decode()
        text = re.sub(r"\r\n[0-9a-f]+\r\n", "", text)
    return [(name, json.loads(data)) for name, data in found]


def test_events_begin_with_all_that_is_known_and_go_on_with_what_changes(monkeypatch):
    monkeypatch.setattr(module, "_PERIOD_S", 0.05)

    async def go():
        version = FakeVersion("m")
        dashboard = Dashboard(fake_server(version, unavailable=[("x", 3, "LOADING", "reading the model")]))
        listener, port = await listening(dashboard)
        reader, writer = await asked(port, "/events")
        (name, hello), *_ = await events(reader, 1)
        assert (name, hello["name"], hello["version"]) == ("hello", "burnish", "1.2")
        assert [(r["m"], r["v"], r["state"]) for r in hello["rows"]] == [("m", 1, "READY"), ("x", 3, "LOADING")]
        version.ran()
        name, tick = (await events(reader, 1))[0]
        assert (name, tick["rows"][0]["m"], tick["gone"]) == ("tick", "m", [])
        assert tick["total"]["rps"] > 0
        again, other = await asked(port, "/events")
        assert len((await events(again, 1))[0][1]["totals"]) >= 2, "who comes later sees what was"
        dashboard.close()
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
        for w in (writer, other):
            w.close()
        await listener.close(1)

    asyncio.run(go())


def test_looks_end_some_time_after_the_last_reader_has_left(monkeypatch):
    monkeypatch.setattr(module, "_PERIOD_S", 0.02)
    monkeypatch.setattr(module, "_LINGER_S", 0.1)

    async def go():
        dashboard = Dashboard(fake_server())
        listener, port = await listening(dashboard)
        reader, writer = await asked(port, "/events")
        await events(reader, 1)
        writer.close()
        await asyncio.sleep(0.06)
        assert dashboard._alarm is not None
        for _ in range(100):
            await asyncio.sleep(0.02)
            if dashboard._alarm is None:
                break
        assert dashboard._alarm is None
        await listener.close(1)

    asyncio.run(go())


def test_beyond_a_number_of_readers_further_ones_are_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_READERS", 1)

    async def go():
        dashboard = Dashboard(fake_server())
        listener, port = await listening(dashboard)
        first, one = await asked(port, "/events")
        await events(first, 1)
        second, two = await asked(port, "/events")
        assert b" 503 " in await asyncio.wait_for(second.readline(), 5)
        one.close()
        two.close()
        dashboard.close()
        await listener.close(1)

    asyncio.run(go())


def test_the_page_comes_from_one_file_and_may_load_nothing_from_elsewhere():
    async def go():
        dashboard = Dashboard(fake_server())
        listener, port = await listening(dashboard)
        reader, writer = await asked(port, "/")
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
        assert "Content-Type: text/html; charset=utf-8" in head
        assert "frame-ancestors 'none'" in head
        size = int(re.search(r"Content-Length: (\d+)", head).group(1))
        text = (await reader.readexactly(size)).decode()
        writer.close()
        await listener.close(1)
        return text

    text = asyncio.run(go())
    assert """http-equiv="Content-Security-Policy" content="default-src 'none';""" in text
    assert re.findall(r"(?:src|href)=[\"'](?!/|data:)([^\"']+)", text) == []
    assert set(re.findall(r"https?://[^\"'\s)]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_report_of_shadow_traffic_is_json():
    report = ShadowReport()
    report(Comparison("m", 1, 2, [Difference("y", 4, 2, 1, 0.5, float("inf"))]))

    async def go():
        listener, port = await listening(Dashboard(fake_server(), shadows=lambda: {"m": report}))
        reader, writer = await asked(port, "/shadow")
        head, _, body = (await asyncio.wait_for(reader.read(65536), 5)).partition(b"\r\n\r\n")
        writer.close()
        await listener.close(1)
        return head, json.loads(body)

    head, found = asyncio.run(go())
    assert b"Content-Type: application/json" in head
    assert (found["m"]["compared"], found["m"]["outputs"]["y"]["beyond"]) == (1, 1)
    assert (found["m"]["outputs"]["y"]["max_abs"], found["m"]["outputs"]["y"]["max_rel"]) == (0.5, None)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, of Debian's package of that name")
def test_a_browser_shows_models_states_and_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PERIOD_S", 0.2)

    async def go():
        version = FakeVersion("alpha", 4)
        evil = FakeVersion("<img src=x onerror=alert(1)>")
        server = fake_server(version, evil, unavailable=[("omega", 1, "UNAVAILABLE", "the plan is damaged")])
        dashboard = Dashboard(server)
        listener, port = await listening(dashboard, 2.0)

        async def load():
            while True:
                version.ran(rows=8)
                await asyncio.sleep(0.02)

        task = asyncio.create_task(load())
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom", f"http://127.0.0.1:{port}/",
        ]  # fmt: skip
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
        task.cancel()
        dashboard.close()
        await listener.close(1)
        return done.stdout

    page = asyncio.run(go())
    assert "<strong>alpha</strong><em>v4</em>" in page
    assert "unavailable: the plan is damaged" in page
    assert "<strong>&lt;img src=x onerror=alert(1)&gt;</strong>" in page, "a name is text, never markup"
    assert "2 of 3 versions ready" in page
    assert re.search(r'data-l="p99">[\d.]+<span class="unit">ms', page)
