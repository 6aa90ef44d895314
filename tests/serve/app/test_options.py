from pathlib import Path

from burnish.serve.app.options import build_cache_folder


def test_built_plans_are_kept_in_the_users_cache(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert build_cache_folder() == Path("/somewhere/burnish/serve")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert build_cache_folder() == Path.home() / ".cache/burnish/serve"
