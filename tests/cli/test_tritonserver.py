"""`burnish tritonserver`: a server that is started as Triton is and answers as Triton does."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.serving import serving

FREE = ("--http-address=127.0.0.1", "--http-port=0", "--grpc-port", "0", "--metrics-port=0")


def test_it_starts_with_tritons_flags_and_calls_itself_triton(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "small" / "1").mkdir(parents=True)
    (tmp_path / "small" / "1" / "model.plan").symlink_to(plan)
    words = (
        f"--model-repository={tmp_path}", *FREE, "--model-control-mode=explicit", "--load-model=small",
        "--http-restricted-api=model-repository,logging:admin-key=let-me-in", "--pinned-memory-pool-byte-size=0",
    )  # fmt: skip
    with serving("tritonserver", *words) as (server, log):
        assert server.get("/v2")[1]["name"] == "triton"
        assert server.get("/v2")[1]["version"] == "2.51.0"
        assert server.get("/v2/models/small/ready")[0] == 200
        refusal = {"error": "This API is restricted, expecting header 'admin-key'"}
        assert server.post("/v2/repository/index") == (403, refusal)
        text = log.read_text()
        assert "| small | 1       | READY  |" in text
        assert "--pinned-memory-pool-byte-size changes nothing" in text


def test_a_model_that_cannot_be_loaded_ends_it_with_tritons_status(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.plan").write_bytes(b"no plan")
    done = command("tritonserver", f"--model-repository={tmp_path}", *FREE)
    assert done.code == 1
    assert "| m     | 1       | UNAVAILABLE" in done.err


def test_a_repository_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    done = command("tritonserver", f"--model-repository={tmp_path}/none")
    assert (done.code, "E640" in done.err) == (2, True)


def test_help_names_every_flag(command: Command) -> None:
    done = command("tritonserver", "--help")
    assert done.code == 0
    for name in ("model-repository", "cuda-memory-pool-byte-size", "allow-sagemaker=true", "vertex-ai-port"):
        assert f"--{name}" in done.out
