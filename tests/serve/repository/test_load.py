"""From a folder to a version that answers, with the real backend of Python models."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.serve.backends.loading import Place
from burnish.serve.config.read import read
from burnish.serve.repository.load import VersionLoader
from burnish.serve.repository.room import Room
from burnish.serve.repository.version import Scheduled
from burnish.serve.status import ServeError

MODEL = "class TritonPythonModel:\n    def execute(self, requests): return []\n"
CONFIG = """backend: "python" max_batch_size: 2 input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] label_filename: "names.txt" }"""


class Nothing:
    pending = 0

    def submit(self, job): ...
    def close(self): ...


def load(folder, config=CONFIG, gpus=(), room=None):
    (folder / "1").mkdir(exist_ok=True)
    (folder / "1" / "model.py").write_text(MODEL)
    (folder / "config.pbtxt").write_text(config)

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), folder)
        seen, told = [], []

        async def make(*arguments):
            seen.append(arguments)
            return Scheduled(Nothing())

        loader = VersionLoader(place, make, gpus, room)
        version = await loader(read(folder), folder, 1, told.append)
        held = version.memory_bytes
        assert version.statistics.memory_bytes == 0  # Triton tells none of a Python model
        await version.close()
        assert version.memory_bytes == 0
        told.append(held)
        return version, seen, told

    return asyncio.run(go())


def test_a_version_has_instances_labels_and_says_what_it_is_doing(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    version, ((config, number, _, instances, _),), told = load(tmp_path)
    assert (number, [i.name for i in instances]) == (1, [f"{tmp_path.name}_0"])
    assert config.instance_group[0].count == 1
    assert version.labels("Y") == ["cat", "dog"]
    assert told[:-1] == ["reading the model", "making its instances"]


def test_what_the_processes_of_a_python_model_have_to_themselves_counts_and_must_fit(tmp_path):
    (tmp_path / "names.txt").touch()
    *_, held = load(tmp_path)[2]
    assert 4 << 20 < held < 400 << 20, "an interpreter with numpy"
    room = Room(held // 2)
    with pytest.raises(ServeError, match=f"needs .* bytes of memory; the server may use {held // 2}"):
        load(tmp_path, room=room)
    assert room.used_bytes == 0
    share = 'parameters { key: "burnish.memory" value { string_value: "1MiB" } }'
    with pytest.raises(ServeError, match=r"burnish\.memory allows 1048576"):
        load(tmp_path, CONFIG + share)


def test_a_missing_label_file_and_a_group_for_gpus_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(ServeError, match=r"failed to open text file for read .*/names.txt: No such file or directory"):
        load(tmp_path)
    (tmp_path / "names.txt").touch()
    with pytest.raises(ServeError, match="no GPUs are available"):
        load(tmp_path, CONFIG + " instance_group [ { count: 1 kind: KIND_GPU } ]")


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "a/../../../secret"])
def test_a_configuration_names_no_file_outside_the_repository(tmp_path, name):
    folder = tmp_path / "repository" / "m"
    folder.mkdir(parents=True)
    (tmp_path / "secret").write_text("not for clients")
    (tmp_path / "repository" / "names.txt").write_text("cat")
    configs = [CONFIG.replace("names.txt", name)]
    if not name.startswith("/"):
        configs.append(CONFIG + f' default_model_filename: "../{name}"')
    for config in configs:
        with pytest.raises(ServeError, match="lies outside the model repository"):
            load(folder, config)
    version, *_ = load(folder, CONFIG.replace("names.txt", "../names.txt"))
    assert version.labels("Y") == ["cat"]
