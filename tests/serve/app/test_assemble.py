import asyncio

from burnish.serve.app.assemble import assemble
from burnish.serve.app.options import ServeOptions
from burnish.serve.core.server import ServerOptions


def test_what_is_off_by_default_is_not_there(tmp_path):
    loop = asyncio.new_event_loop()
    parts = assemble(ServeOptions(ServerOptions((tmp_path,))), loop)
    assert parts.shared is None
    assert not parts.server.is_ready
    assert assemble(ServeOptions(ServerOptions((tmp_path,)), shared_memory=True), loop).shared is not None
    loop.close()
