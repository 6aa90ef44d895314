"""The standard models with random weights that keep signals alive.   python gpu_models.py SCRIPT FOLDER NAME ...

SCRIPT has a table MODELS: name -> (class, configuration, example inputs, output field). Weights as libraries initialise
them are no test: a MobileNetV2's answers are 1e-22, an EfficientNet's are zero, a BERT attends to all words alike, and
zeros draw less power than data. So convolutions before batch norms keep their input's size, the norms take the
statistics of a batch of images, and attention is sharpened.
The seed is fixed: the process that exports and the one that measures torch have equal weights.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from gpu_cases import images

SHARPER = 3.0  # times the weights of queries and keys: scores then have a deviation of about 3
OPSET = 17


def make_model(script: Path, name: str, attention: str = "") -> tuple[Any, dict[str, Any], str]:
    """The model, its example inputs (name -> tensor, dynamic axes) and the output's name; `attention`: its kind."""
    import torch

    kind, configuration, example, field = load_script(script).MODELS[name]
    torch.manual_seed(0)
    inputs = example()
    options = configuration()
    if attention and getattr(options, "_attn_implementation", None) == "eager":
        options._attn_implementation = attention
    model = kind(options).eval()
    enliven(model, "pixel_values" in inputs)
    return model, inputs, field


def enliven(model: Any, takes_images: bool) -> None:
    """Signals that keep their size through convolutions and batch norms; sharper attention."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        if takes_images and norms:
            for convolution in (m for m in model.modules() if isinstance(m, torch.nn.Conv2d)):
                weight = convolution.weight
                weight.mul_((2 / weight[0].numel()) ** 0.5 / weight.std())
            for norm in norms:
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_(0.0, 0.2)
                norm.momentum = 1.0
                norm.train()
            model(pixel_values=torch.from_numpy(images(8, seed=1)))
        for name, parameter in model.named_parameters():
            if any(f"{word}.weight" in name for word in ("query", "key", "q_proj", "k_proj", "q_lin", "k_lin")):
                parameter.mul_(SHARPER)
            if "layer_scale" in name:  # 1e-6 at first, which no training leaves, and which f16 does not know
                parameter.uniform_(0.2, 0.8)
    model.eval()


def export(script: Path, folder: Path, name: str) -> Path:
    """As the script exports: the same operators, dynamic batch (and sequence)."""
    import inspect

    import torch

    module = load_script(script)
    model, inputs, field = make_model(script, name)
    accepted = inspect.signature(type(model).forward).parameters
    inputs = {n: pair for n, pair in inputs.items() if n in accepted}
    path = folder / f"{name}.onnx"
    torch.onnx.export(
        module.Picked(model, list(inputs), field),
        tuple(tensor for tensor, _ in inputs.values()),
        str(path),
        input_names=list(inputs),
        output_names=[field],
        dynamic_axes={n: axes for n, (_, axes) in inputs.items()},
        opset_version=OPSET,
        dynamo=False,
    )
    return path


def load_script(path: Path) -> Any:
    """A Python file as a module."""
    import importlib.util

    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None and found.loader is not None, path
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    script, folder, *names = sys.argv[1:]
    for name in names:
        print(export(Path(script), Path(folder), name), flush=True)
