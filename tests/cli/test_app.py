"""The command as a whole: start-up, help against the documentation, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from burnish.cli import main
from burnish.cli.app import app
from burnish.cli.tritonserver import flags as triton
from burnish.cli.trtexec.flags import IGNORED, REFUSED, SWITCHES, VALUES, WARNED
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def options_by_command() -> dict[str, dict[str, str]]:
    """`build` -> {"`--output`, `-o`": its help, ...}, arguments by the name that stands for them."""
    found: dict[str, dict[str, str]] = {}

    def visit(command: object, name: str) -> None:
        for inner, child in getattr(command, "commands", {}).items():
            visit(child, f"{name} {inner}".strip())
        if not hasattr(command, "commands"):
            found[name] = {
                ", ".join(
                    f"`{text}`"
                    for text in ([*p.opts, *p.secondary_opts] if p.param_type_name == "option" else [p.metavar])
                ): p.help
                for p in command.params  # type: ignore[attr-defined]
                if not p.hidden and "--help" not in p.opts
            }

    visit(typer.main.get_command(app), "")
    return found


def processor_seconds() -> float:
    """Of all child processes so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def documented(command: str) -> dict[str, str]:
    """The first two columns of the tables under the command's heading."""
    section = re.search(rf"(?ms)^## burnish {command}\n(.*?)(?=^## |\Z)", DOCUMENT)
    assert section, f"docs/cli.md has no heading for {command}"
    return dict(re.findall(r"(?m)^\| (`[^|]*) \| (.*) \|$", section[1]))


@pytest.mark.parametrize("name", sorted(set(options_by_command()) - {"trtexec", "tritonserver"}))
def test_every_option_is_documented_in_the_words_of_its_help_and_every_documented_option_exists(name: str) -> None:
    stated = {names.replace("`PLAN or MODEL`", "`PLAN|MODEL`"): text for names, text in documented(name).items()}
    assert stated == options_by_command()[name]


def test_help_texts_are_sentences_or_phrases_that_end() -> None:
    texts = [text for options in options_by_command().values() for text in options.values()]
    assert [text for text in texts if not (text[:1].isupper() or text[:1].isdigit())] == [
        text for text in texts if text.startswith(("cpu, cuda", "fp32 (default)"))
    ]
    assert [text for text in texts if not text.endswith((".", "..."))] == []


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    assert set(re.findall(r"(?m)^## burnish ([a-z ]+)$", DOCUMENT)) == set(options_by_command())


def test_every_flag_of_trtexec_is_documented_and_every_documented_flag_exists() -> None:
    section = DOCUMENT[DOCUMENT.index("## burnish trtexec") : DOCUMENT.index("## Environment")]
    silent = set(re.findall(r"`--(\w+)`", section[section.index("Accepted silently") :].splitlines()[0]))
    known = {**VALUES, **SWITCHES, **WARNED, **REFUSED}
    assert documented("trtexec") == {f"`--{name}`": text for name, text in known.items()}
    assert silent == IGNORED


def test_every_flag_of_tritonserver_is_documented_and_every_documented_flag_exists() -> None:
    known = {**triton.VALUES, **triton.NOTED, **triton.REFUSED}
    switched = {f"`--{name}=true`": text for name, text in triton.SWITCHED.items()}
    assert documented("tritonserver") == {f"`--{name}`": text for name, text in known.items()} | switched


def test_help_answers_in_under_300_ms_and_imports_nothing_heavy() -> None:
    heavy = ("numpy", "rich", "onnx", "onnx_ir", "llvmlite", "ml_dtypes", "cryptography")
    program = (
        f"import sys; from burnish.cli import main; main(['--help']); print([m for m in {heavy!r} if m in sys.modules])"
    )
    best = 1e9
    for _ in range(3):  # processor time: what a machine busy with other things does not stretch
        start = processor_seconds()
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        best = min(best, processor_seconds() - start)
        assert done.stdout.splitlines()[-1] == "[]"
    assert best < 0.3


def test_a_debug_level_that_is_no_number_does_not_hide_the_error(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from burnish.settings import settings

    monkeypatch.setenv("BURNISH_DEBUG", "much")
    settings.cache_clear()
    try:
        done = command("run", "none.plan")
    finally:
        settings.cache_clear()
    assert (done.code, "E401" in done.err) == (2, True)


def test_ctrl_c_ends_a_process_with_130_and_one_line(plan: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "burnish", "trtexec", f"--loadEngine={plan}", "--duration=60"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "Starting inference" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "\ninterrupted\n")


def test_an_unknown_option_is_the_users_error(command: Command) -> None:
    done = command("build", "--nonsense")
    assert done.code == 2
    assert "error E624: no such option: --nonsense" in done.err
    assert "burnish build --help" in done.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["build"], "missing argument 'MODEL'"),
        (["bulid"], "Did you mean 'build'?"),
        (["build", "m.onnx", "--opt-level", "much"], "'--opt-level'"),
        (["run", "m.plan", "--threads", "-1"], "'--threads'"),
        (["inspect", "grpah"], "Did you mean 'graph'?"),
    ],
)
def test_a_command_line_that_cannot_be_read_has_a_code_and_is_json_where_asked(
    command: Command, arguments: list[str], what: str
) -> None:
    done = command(*arguments, "--json")
    found = json.loads(done.out)["error"]
    assert (done.code, found["code"]) == (2, "E624")
    assert what in found["what"] and what in done.err


@pytest.mark.parametrize(
    "arguments", [["trtexec", "--loadEngine={plan}", "--duration=0"], ["inspect", "plan", "{plan}"]]
)
def test_a_reader_that_has_gone_ends_every_command_alike(plan: Path, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    given = [text.format(plan=plan) for text in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "burnish", *given], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_no_arguments_print_the_help(command: Command) -> None:
    done = command()
    assert "Commands:" in done.out + done.err


def test_version(command: Command) -> None:
    assert command("--version").out == "burnish 0.1.0\n"


def test_main_reads_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["burnish", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("burnish ")
