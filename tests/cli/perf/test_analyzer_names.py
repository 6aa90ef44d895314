"""perf_analyzer's names become ours."""

from __future__ import annotations

import pytest

from burnish.cli.perf.analyzer_names import REFUSED, SWITCHES, VALUES, translate
from burnish.errors import UserError


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("-m resnet --concurrency-range 1:32:*2", "resnet --concurrency 1:32:*2"),
        ("--measurement-interval 5000", "--window 5"),
        ("--measurement-interval=250", "--window 0.25"),
        ("-p soon", "--window soon"),
        ("--request-rate-range=10:20 --request-distribution=poisson", "--rate 10:20 --arrivals poisson"),
        ("--binary-search -l 20", "--search --latency-limit 20"),
        ("-z --async -v", "--data zero"),
        ("--service-kind triton -b 2 --service-kind=triton", "-b 2"),
        ("--measurement-mode count_windows --max-threads 4", "--processes 4"),
        ("--request-parameter max_tokens:256:int", "--parameter max_tokens=256"),
        ("--request-parameter on:True:bool", "--parameter on=true"),
        ("--request-parameter who:7:string", '--parameter who="7"'),
        ("model --concurrency 4 --url host:1", "model --concurrency 4 --url host:1"),
    ],
)
def test_each_name_has_its_counterpart(theirs: str, ours: str) -> None:
    assert translate(theirs.split()) == ours.split()


def test_what_has_no_counterpart_says_what_to_use() -> None:
    for name, hint in REFUSED.items():
        with pytest.raises(UserError, match="E624") as caught:
            translate([name, "x"])
        assert hint in str(caught.value)


def test_a_name_without_its_value_is_refused() -> None:
    with pytest.raises(UserError, match="E624"):
        translate(["--concurrency-range"])


def test_every_counterpart_exists() -> None:
    import typer

    from burnish.cli.app import app

    known = {o for p in typer.main.get_command(app).commands["perf"].params for o in p.opts}  # type: ignore[attr-defined]
    assert {ours for ours, _ in VALUES.values() if ours} <= known
    assert {words[0] for words in SWITCHES.values()} <= known
    assert not (VALUES.keys() | SWITCHES.keys() | REFUSED.keys()) & known
