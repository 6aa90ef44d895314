"""The options of an error budget, which `build`, `accuracy` and `verify` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Budget = typer.Option(
    "--max-error",
    metavar="LIMIT",
    help="What is allowed against f32: cos=1e-3, sqnr=30dB, psnr=40dB, ssim=0.99, top1=0.5%, map=0.01, spearman=0.005, "
    "wer=0.01 or FILE.py:FUNCTION=0.1. Repeat it, or separate by commas, for several.",
)
MaxError = Annotated[list[str], Budget]
MaxErrors = Annotated[list[str] | None, Budget]
EvalData = Annotated[
    Path | None,
    typer.Option("--eval-data", metavar="DATA", help="Samples to measure accuracy with (default: those of --calib)."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="A label for each sample: .npy, .txt or .json (default: `labels` of an .npz, or labels.csv of a folder).",
    ),
]
Decode = Annotated[
    Path | None,
    typer.Option("--decode", metavar="FILE", help="A .py file with decode(outputs): boxes, texts, images or numbers."),
]
Curve = Annotated[
    Path | None,
    typer.Option("--curve", metavar="FILE", help="Draw error against time: a .svg picture, or a .html page."),
]
