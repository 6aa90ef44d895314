"""`make demo`: a trained model becomes a plan, is verified, measured beside ONNX Runtime, and reads handwritten digits.

The model (examples/train_digits.py) is a residual CNN for 8x8 images; the samples are images it was not trained on.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import burnish

FOLDER = Path(__file__).parent
MODEL = FOLDER / "digits.onnx"
SHADES = " .:-=+*#%@"
PROFILE = {"image": ((1, 1, 8, 8), (1, 1, 8, 8), (64, 1, 8, 8))}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.plan"

        print(f"1. build     examples/{MODEL.name} ({MODEL.stat().st_size / 1024:.0f} KB of ONNX), batch 1 to 64")
        start = time.perf_counter()
        plan = burnish.build(str(MODEL), profile=PROFILE, explain=lambda line: print(f"             {line}"))
        plan.save(path)
        seconds, size = time.perf_counter() - start, path.stat().st_size / 1024
        variant = plan.manifest.variants[0]
        print(f"             {len(variant.launches)} kernels for {variant.target}, {size:.0f} KB, in {seconds:.1f} s")

        print("2. verify    every output against ONNX Runtime, random inputs")
        report = burnish.verify(MODEL, path)
        for output in next(iter(report.cases.values())):
            print(f"             {output.name}: max difference {output.max_abs:.1e}, cosine {output.cosine:.9f}")
        if not report.is_accepted:
            raise SystemExit("the plan does not answer as the model does")

        print("3. benchmark batch 1, 2 threads, in turns with ONNX Runtime, each in its own process")
        measured = burnish.bench(path, model=MODEL, against=("onnxruntime",), threads=2, rounds=6)
        for row in (measured.burnish, *measured.peers):
            if row.latency_ms is not None:
                print(
                    f"             {row.name:12} median {row.latency_ms.median * 1e3:6.0f} us   best"
                    f" {row.latency_ms.min * 1e3:6.0f} us   load {row.load_ms:5.1f} ms   {row.peak_rss_mib:4.0f} MiB"
                )

        samples = np.load(FOLDER / "digits_samples.npz")
        images, labels = samples["images"], samples["labels"]
        with burnish.load(path, threads=2) as engine:
            digits = engine(image=images)["logits"].argmax(axis=1)
        print(f"4. classify  {(digits == labels).sum()} of {len(labels)} held-out images right; the first six:\n")
        for row in range(8):
            print("   ", "   ".join(draw(image[0, row]) for image in images[:6]))
        print("\n   ", "   ".join(f"{f'read as {d}':^16}" for d in digits[:6]))


def draw(pixels: np.ndarray) -> str:
    """A row of an image, two characters a pixel."""
    return "".join(SHADES[round(float(p) * (len(SHADES) - 1))] * 2 for p in pixels)


if __name__ == "__main__":
    main()
