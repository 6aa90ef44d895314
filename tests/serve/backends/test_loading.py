import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from burnish.serve.backends.loading import Place


def test_any_plan_is_taken_and_a_build_may_use_all_memory_unless_said_otherwise():
    place = Place(asyncio.new_event_loop(), ThreadPoolExecutor(1), Path("cache"))
    assert (place.trusted_key, place.build_bytes) == (None, 0)
    place.loop.close()
