"""What a load does when a model is there already, and what it and an unload mean for ensembles."""

import asyncio

import pytest

from burnish.serve.status import Code, ServeError
from tests.serve.repository.stand_ins import CONFIG, TENSORS, change, model, run


def test_a_model_that_has_not_changed_is_not_loaded_again(tmp_path, repository, loads):
    model(tmp_path, "m", (1, 2), CONFIG + "version_policy { all {} }")
    override = (
        '{"backend": "python", "output": [{"name": "Y", "data_type": "TYPE_INT32", "dims": [1]}], "max_batch_size": 4}'
    )

    async def go():
        await repository.load("m")
        for counted in (2, 2):
            await repository.load("m")
            assert loads.count == counted
        for counted in (3, 3):  # the newest version alone, for the override names no policy
            await repository.load("m", {"config": override})
            assert loads.count == counted
        assert repository.find("m").config.max_batch_size == 4
        await repository.load("m")  # the file's configuration is another one
        assert (loads.count, repository.find("m").config.max_batch_size) == (5, 0)
        change(tmp_path, "m")
        await repository.load("m")
        assert loads.count == 7
        await repository.unload("m")
        await repository.load("m")
        assert loads.count == 9
        loads.fail["m", 1] = ServeError(Code.INTERNAL, "it broke")
        change(tmp_path, "m")
        for _ in range(2):  # it is tried again, though nothing has changed since it failed
            with pytest.raises(ServeError, match="it broke"):
                await repository.load("m")

    run(go())


def test_why_a_load_was_refused_is_told_of_what_is_served_not_of_what_was_unloaded(tmp_path, repository):
    model(tmp_path, "m", (1, 2))

    async def go():
        await repository.load("m")
        (tmp_path / "m" / "2").rmdir()
        change(tmp_path, "m")
        await repository.load("m")
        with pytest.raises(ServeError):
            await repository.load("m", {"config": "{"})
        one, two = await repository.index()
        assert one.reason.startswith("serving what was loaded before; the last load failed: ")
        assert (two.state, two.reason) == ("UNAVAILABLE", "unloaded")
        await repository.load("m")
        assert (await repository.index())[0].reason == ""

    run(go())


def test_only_models_that_were_loaded_for_an_ensemble_are_unloaded_with_it(tmp_path, repository, loads):
    model(tmp_path, "m")
    maps = 'input_map { key: "A" value: "X" } output_map { key: "Y" value: "Z" }'
    tensors = TENSORS.replace('"A"', '"X"').replace('"Y"', '"Z"')
    for name in ("e", "f"):
        step = f'ensemble_scheduling {{ step {{ model_name: "m" model_version: -1 {maps} }} }}'
        model(tmp_path, name, config=f'platform: "ensemble" {tensors} {step}')

    async def go():
        await repository.load("m")
        await repository.load("e")
        await repository.unload("e", with_dependents=True)
        assert repository.is_ready("m")  # someone asked for it
        await repository.unload("m")
        await repository.load("e")
        await repository.load("f")
        await repository.unload("e", with_dependents=True)
        assert repository.is_ready("m")  # f needs it
        await repository.unload("f", with_dependents=True)
        assert not repository.is_ready("m")

    run(go())


def test_an_ensemble_waits_while_a_model_of_its_steps_is_gone_and_loads_it_anew_when_it_changes(
    tmp_path, repository, loads
):
    model(tmp_path, "m")
    maps = 'input_map { key: "A" value: "X" } output_map { key: "Y" value: "Z" }'
    tensors = TENSORS.replace('"A"', '"X"').replace('"Y"', '"Z"')
    step = f'ensemble_scheduling {{ step {{ model_name: "m" model_version: -1 {maps} }} }}'
    model(tmp_path, "e", config=f'platform: "ensemble" {tensors} {step}')

    async def go():
        await repository.load("e")
        await repository.unload("m")
        await asyncio.sleep(0.01)
        assert [(e.name, e.state, e.reason) for e in await repository.index()] == [
            (name, "UNAVAILABLE", "unloaded") for name in ("e", "m")
        ]
        await repository.load("m")
        assert repository.is_ready("e")
        counted = loads.count
        await repository.load("e")
        assert loads.count == counted
        change(tmp_path, "m")
        await repository.load("e")
        assert loads.count == counted + 1
        await repository.unload("m")
        await repository.unload("e")
        await repository.load("m")
        assert not repository.is_ready("e")  # it waits no more
        await repository.close()
        assert len(loads.closed) == loads.count

    run(go())
