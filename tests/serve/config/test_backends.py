from __future__ import annotations

import pytest

from burnish.serve.config.backends import BACKENDS, check_backend, complete_backend, served_by
from burnish.serve.config.parse_text import parse_text
from tests.serve.config.configs import refusal


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        ("", ["model.plan"], ("burnish", "burnish_plan", "model.plan")),
        ("", ["model.onnx", "model.plan"], ("burnish", "burnish_plan", "model.plan")),
        ("", ["model.onnx", "model.py"], ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ("", ["model.py", "notes.txt"], ("python", "", "model.py")),
        ("", ["model.pt"], ("pytorch", "pytorch_libtorch", "model.pt")),
        ("backend: 'python'", [], ("python", "", "model.py")),
        ("backend: 'python' platform: 'any'", [], ("python", "any", "model.py")),
        ("backend: 'python' default_model_filename: 'other.py'", ["model.py"], ("python", "", "other.py")),
        ("default_model_filename: 'model.py'", [], ("python", "", "model.py")),
        ("platform: 'onnxruntime_onnx'", [], ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ("platform: 'tensorrt_plan'", ["model.plan"], ("tensorrt", "tensorrt_plan", "model.plan")),
        ("backend: 'tensorrt'", ["model.plan"], ("tensorrt", "tensorrt_plan", "model.plan")),
        ("backend: 'nosuch'", ["model.py"], ("nosuch", "", "")),
        ("platform: 'ensemble'", ["model.py"], ("", "ensemble", "")),
    ],
)
def test_backend_platform_and_file_complete_each_other(text: str, files: list[str], expected: tuple[str, ...]) -> None:
    config = parse_text(text)
    complete_backend(config, "m", files)
    assert config.name == "m"
    assert (config.backend, config.platform, config.default_model_filename) == expected


def test_the_name_may_tell_the_backend() -> None:
    config = parse_text("")
    complete_backend(config, "model.special")
    assert (config.backend, config.default_model_filename) == ("special", "model.special")


def test_a_model_that_nothing_tells_the_backend_of_is_refused() -> None:
    message = refusal(complete_backend, parse_text(""), "m", ["weights.bin"])
    assert message == (
        "Invalid model name: Could not determine backend for model 'm' with no backend in model configuration. "
        "Expected model name of the form 'model.<backend_name>'.: its first version folder holds none of model.plan, "
        "model.onnx, model.py"
    )


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("backend: 'python'", "python"),
        ("backend: 'onnxruntime'", "onnx"),
        ("backend: 'burnish'", "plan"),
        ("backend: 'tensorrt'", "plan"),
        ("platform: 'ensemble'", "ensemble"),
    ],
)
def test_each_backend_is_served_by_its_kind(text: str, who: str) -> None:
    assert served_by(parse_text(text)) == who


@pytest.mark.parametrize("name", ["nosuch", *(row.name for row in BACKENDS if not row.served_by)])
def test_a_backend_that_is_not_here_is_refused(name: str) -> None:
    sentence = (
        f"unable to find backend library for backend '{name}', try specifying runtime on the model configuration."
    )
    assert refusal(served_by, parse_text(f"backend: '{name}'")) == sentence


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("platform: 'what'", "unexpected platform type 'what' for m"),
        (
            "platform: 'ensemble' backend: 'python'",
            "Ensemble model 'm' must have platform type 'ensemble' and empty backend type",
        ),
        (
            "platform: 'onnxruntime_onnx' backend: 'tensorrt'",
            "unexpected 'platform' and 'backend' pair, got:onnxruntime_onnx, tensorrt",
        ),
        ("backend: 'onnxruntime'", "unexpected 'platform' and 'backend' pair, got:, onnxruntime"),
    ],
)
def test_platform_and_backend_must_go_together(text: str, why: str) -> None:
    assert refusal(check_backend, parse_text(f"name: 'm' {text}")) == why


@pytest.mark.parametrize("text", ["backend: 'python' platform: 'what'", "backend: 'own' platform: 'onnxruntime_onnx'"])
def test_backends_without_a_platform_take_any(text: str) -> None:
    check_backend(parse_text(text))
