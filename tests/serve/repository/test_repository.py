"""States of models, with versions that nothing computes."""

import asyncio
import base64
import contextlib

import numpy as np
import pytest

from burnish.serve.request import Request, Tensor
from burnish.serve.status import Code, ServeError
from tests.serve.repository.stand_ins import CONFIG, TENSORS, change, model, run


def request():
    return Request("m", {"A": Tensor("A", "INT32", np.zeros(1, np.int32))})


def test_a_loaded_model_is_found_by_its_newest_version(tmp_path, repository):
    model(tmp_path, "m", (1, 3), CONFIG + "version_policy { all {} }")

    async def go():
        await repository.load("m")
        assert repository.find("m").number == 3
        assert repository.find("m", 1).number == 1
        for version, words in ((2, "'m' version 2 is not found"), (9, "version 9")):
            with pytest.raises(ServeError, match=words) as caught:
                repository.find("m", version)
            assert caught.value.code is Code.NOT_FOUND
        assert [(e.version, e.state) for e in await repository.index()] == [("1", "READY"), ("3", "READY")]

    run(go())


def test_a_model_that_was_never_loaded_stands_in_the_index_by_its_name_alone(tmp_path, repository):
    model(tmp_path, "m")

    async def go():
        (entry,) = await repository.index()
        assert (entry.name, entry.version, entry.state) == ("m", "", "")
        assert await repository.index(ready=True) == []
        with pytest.raises(ServeError, match="'m' is not found"):
            repository.find("m")

    run(go())


def test_a_load_that_fails_says_why_and_leaves_what_was_served(tmp_path, repository, loads):
    model(tmp_path, "m")

    async def go():
        await repository.load("m")
        loads.fail["m", 1] = ServeError(Code.INTERNAL, "it broke")
        change(tmp_path, "m")
        with pytest.raises(ServeError) as caught:
            await repository.load("m")
        assert caught.value.message == (
            "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: it broke;\n"
        )
        assert repository.is_ready("m")
        assert not repository.has_failed  # what it served before, it still serves
        await repository.unload("m")
        assert repository.has_failed
        loads.fail.clear()
        await repository.load("m")
        assert not repository.has_failed

    run(go())


def test_of_several_versions_all_load_or_none(tmp_path, repository, loads):
    model(tmp_path, "m", (1, 2), CONFIG + "version_policy { all {} }")
    loads.fail["m", 2] = ServeError(Code.INVALID_ARG, "no")

    async def go():
        with pytest.raises(ServeError):
            await repository.load("m")
        assert not repository.is_ready("m")
        assert [(e.state, e.reason) for e in await repository.index()] == [
            ("UNAVAILABLE", "another version failed to load"),
            ("UNAVAILABLE", "Invalid argument: no"),
        ]
        assert loads.closed == [("m", 1, 1)]

    run(go())


def test_an_exception_of_a_backend_is_an_error_and_no_crash(tmp_path, repository, loads):
    model(tmp_path, "m")
    loads.fail["m", 1] = RuntimeError("boom")

    async def go():
        with pytest.raises(ServeError, match="RuntimeError: boom"):
            await repository.load("m")

    run(go())


def test_a_request_under_way_is_answered_by_the_version_that_took_it(tmp_path, repository, loads):
    model(tmp_path, "m")

    async def go():
        await repository.load("m")
        old, answers = repository.find("m"), []
        job = old.submit(request(), answers.append)
        change(tmp_path, "m")
        await repository.load("m")
        assert repository.find("m") is not old
        await asyncio.sleep(0.01)
        assert loads.closed == []
        job.answer([])
        await asyncio.sleep(0.01)
        assert loads.closed == [("m", 1, 1)]
        assert len(answers) == 1

    run(go())


def test_an_unloaded_model_refuses_at_once_and_ends_when_its_requests_do(tmp_path, repository, loads):
    model(tmp_path, "m")

    async def go():
        await repository.load("m")
        job = repository.find("m").submit(request(), lambda answer: None)
        await repository.unload("m")
        with pytest.raises(ServeError, match="'m' has no available versions"):
            repository.find("m")
        assert [e.state for e in await repository.index()] == ["UNLOADING"]
        job.answer([])
        await asyncio.sleep(0.01)
        assert [(e.state, e.reason) for e in await repository.index()] == [("UNAVAILABLE", "unloaded")]
        assert loads.closed == [("m", 1, 1)]
        await repository.unload("m")
        await repository.unload("nosuch")

    run(go())


def test_an_unknown_model_and_a_configuration_that_does_not_parse_fail_alike(tmp_path, repository):
    model(tmp_path, "m", config="colour: 1")

    async def go():
        for name in ("nosuch", "m", "../m"):
            with pytest.raises(ServeError) as caught:
                await repository.load(name)
            assert caught.value.code is Code.INTERNAL
            assert caught.value.message.startswith(f"failed to load '{name}', failed to poll from model repository")
        assert not repository.has_failed

    run(go())


def test_why_a_configuration_is_refused_stands_in_the_index_until_it_is_mended(tmp_path, repository):
    model(tmp_path, "m", config="colour: 1")
    model(tmp_path, "n", config=CONFIG + "max_batch_size: -1")

    async def index_after(name):
        with contextlib.suppress(ServeError):
            await repository.load(name)
        return {e.name: (e.version, e.state, e.reason) for e in await repository.index()}

    async def go():
        version, state, reason = (await index_after("m"))["m"]
        assert (version, state) == ("", "UNAVAILABLE")
        assert "line 1, column 1" in reason
        version, state, reason = (await index_after("n"))["n"]
        assert (version, state) == ("", "UNAVAILABLE")
        assert "max_batch_size" in reason, "Triton keeps this for its log"
        assert await repository.index(ready=True) == []
        (tmp_path / "m" / "config.pbtxt").write_text(CONFIG)
        assert (await index_after("m"))["m"] == ("1", "READY", "")
        (tmp_path / "m" / "config.pbtxt").write_text("colour: 1")
        version, state, reason = (await index_after("m"))["m"]
        assert (version, state) == ("1", "READY")
        assert reason.startswith("serving what was loaded before; the last load failed: ")
        assert "line 1, column 1" in reason
        await repository.unload("m")
        assert repository.refused.keys() == {"n"}

    run(go())


def test_a_model_may_come_with_the_request_to_load_it(tmp_path, repository):
    override = '{"backend": "python", "output": [{"name": "Y", "data_type": "TYPE_INT32", "dims": [1]}]}'

    async def go():
        with pytest.raises(ServeError, match="failed to poll"):
            await repository.load("new", {"file:1/model.py": b"x"})
        content = base64.b64encode(b"x = 1").decode()
        await repository.load("new", {"config": override, "file:1/model.py": content})
        folder = repository._given["new"]
        assert (folder / "1" / "model.py").read_bytes() == b"x = 1"
        assert repository.is_ready("new")
        await repository.unload("new")
        assert not folder.exists()
        with pytest.raises(ServeError, match="failed to poll from model repository"):
            await repository.load("new", {"config": override, "file:../../x": b""})
        assert await repository.index() == []  # it names what lies in the repositories

    run(go())


def test_an_ensemble_loads_the_models_of_its_steps(tmp_path, repository):
    maps = 'input_map { key: "A" value: "X" } output_map { key: "Y" value: "Z" }'
    step = f'step {{ model_name: "m" model_version: -1 {maps} }}'
    tensors = (
        'input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] } output { name: "Z" data_type: TYPE_INT32 dims: [ 1 ] }'
    )
    model(tmp_path, "m")
    model(tmp_path, "e", config=f'platform: "ensemble" {tensors} ensemble_scheduling {{ {step} }}')
    model(
        tmp_path,
        "bad",
        config=f'platform: "ensemble" {tensors} ensemble_scheduling {{ {step} }}'.replace('"m"', '"no"'),
    )

    async def go():
        await repository.load("e")
        assert repository.is_ready("m")
        with pytest.raises(ServeError) as caught:
            await repository.load("bad")
        assert caught.value.message == (
            "load failed for model 'bad': ensemble bad contains models that are not available or ambiguous: no\n"
        )
        with pytest.raises(ServeError, match="unknown model: 'bad' is not found"):  # as Triton, not "no versions"
            repository.find("bad")
        await repository.unload("e", with_dependents=True)
        assert not repository.is_ready("m")

    run(go())


def test_ensembles_that_go_round_in_circles_are_refused(tmp_path, repository):
    for name, part in (("a", "b"), ("b", "c"), ("c", "b")):
        step = f'step {{ model_name: "{part}" model_version: -1 input_map {{ key: "A" value: "A" }} '
        step += 'output_map { key: "Y" value: "Y" } }'
        model(tmp_path, name, config=f'platform: "ensemble" {TENSORS} ensemble_scheduling {{ {step} }}')

    async def go():
        found = await asyncio.gather(*(repository.load(n) for n in "bc"), return_exceptions=True)
        assert all("circular dependency" in e.message for e in found)
        with pytest.raises(ServeError, match="not available or ambiguous: b"):
            await repository.load("a")

    asyncio.run(asyncio.wait_for(go(), 10))


def test_closing_ends_everything(tmp_path, repository, loads):
    model(tmp_path, "m")
    model(tmp_path, "n")

    async def go():
        await repository.load("m")
        await repository.load("n")
        await repository.close()
        assert sorted(c[0] for c in loads.closed) == ["m", "n"]

    run(go())


def test_a_version_that_a_step_names_must_be_loaded(tmp_path, repository):
    step = 'step { model_name: "m" model_version: 2 input_map { key: "A" value: "A" } '
    step += 'output_map { key: "Y" value: "Y" } }'
    model(tmp_path, "m")
    model(tmp_path, "e", config=f'platform: "ensemble" {TENSORS} ensemble_scheduling {{ {step} }}')

    async def go():
        with pytest.raises(ServeError, match="ensemble 'e' depends on 'm' whose required version 2 is not loaded"):
            await repository.load("e")
        (tmp_path / "m" / "2").mkdir()
        await repository.load("m")
        await repository.load("e")

    run(go())


def test_what_triton_has_no_words_for_is_told_in_ours(tmp_path, repository):
    model(tmp_path, "m", ("4a",))
    model(tmp_path, "n", config=CONFIG + 'parameters { key: "burnish.kept" value { string_value: "1" } }')

    async def go():
        with pytest.raises(ServeError, match=r"version policy of model 'm': .*'4a'"):
            await repository.load("m")
        with pytest.raises(ServeError, match=r"Burnish is refused: there is no parameter 'burnish\.kept'"):
            await repository.load("n")

    run(go())
