"""Trained models with labelled data: what goes in, which part calibrates, and what the answers are worth.

A task's calibration part and its evaluation part share no sample. Where the data are a few photographs, samples are
crops of them: the parts use different photographs, but for PP-OCR, whose parts are random crops of the same two, which
may overlap, and recordings, whose parts are different frames.
"""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from burnish.calibration.gate.boxes import mean_average_precision
from burnish.calibration.gate.library_metrics import correlation, peak_signal

Array = np.ndarray[Any, Any]
Sample = dict[str, Array]
Run = Callable[[Sample], Sample]
SHARED = Path(__file__).parents[1] / ".." / "shared"
MODELS, DATA = SHARED / "models", SHARED / "data"


@dataclass(frozen=True)
class Task:
    """score: of a run over the evaluation part; larger is better. exact: the same run in f32, for agreement.

    profile: (min, opt, max) of open inputs; is_transformer: for quantisers that want to be told
    """

    name: str
    model: bytes
    measure: str
    calibration: Sequence[Sample]
    evaluation: Sequence[Sample]
    score: Callable[[Sequence[Sample], Sequence[Sample]], float]
    profile: dict[str, Any] | None = None
    is_transformer: bool = False
    stream: Callable[[Run], Sequence[Sample]] | None = None  # in place of one run for each sample

    def answers(self, run: Run) -> Sequence[Sample]:
        return self.stream(run) if self.stream else [run(sample) for sample in self.evaluation]


def digits() -> Task:
    """The example's residual CNN on scikit-learn's digits; the split is that of examples/train_digits.py."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 1, 8, 8)
    train, held, _, truth = train_test_split(images, labels, test_size=360, random_state=0, stratify=labels)
    model = (Path(__file__).parents[1] / "examples" / "digits.onnx").read_bytes()
    return Task("digits", model, "top-1", _named("image", train[:100]), _named("image", held), _top(1, truth))


def mnist() -> Task:
    """CNTK's MNIST network on scikit-learn's digits, which it has never seen: enlarged to 20 x 20 within 28 x 28."""
    images, labels = load_digits(return_X_y=True)
    large = np.zeros((len(images), 1, 1, 28, 28), np.float32)
    for place, image in zip(large, images.reshape(-1, 8, 8), strict=True):
        enlarged = Image.fromarray((image / 16 * 255).astype(np.uint8)).resize((20, 20), Image.Resampling.BICUBIC)
        place[0, 0, 4:24, 4:24] = np.asarray(enlarged)
    model = _without_constant_inputs((MODELS / "mnist_cntk" / "model.onnx").read_bytes())
    samples = _named("Input3", large)
    return Task("mnist_cntk", model, "top-1", samples[:100], samples[297:], _top(1, labels[297:]))


def squeezenet() -> Task:
    """SqueezeNet, its f16 weights written as f32: all tools then quantise one model. Even images calibrate."""
    files = sorted((DATA / "imagenet50").glob("*.JPEG"))
    mean = np.array([103.94, 116.78, 123.68], np.float32)
    images = [_image(f, 224, 256)[..., ::-1] - mean for f in files]
    samples = _named("data_0", [np.ascontiguousarray(i.transpose(2, 0, 1))[None] for i in images])
    truth = np.array([int(f.name[:3]) for f in files])
    model = _widened((MODELS / "squeezenet_fp16" / "model.onnx").read_bytes())
    return Task("squeezenet", model, "top-5", samples[::2], samples[1::2], _top(5, truth[1::2]))


def superres() -> Task:
    """ESPCN x3 on the brightness of photographs; the score is the PSNR of its answer to the original."""
    samples, originals = [], []
    for file in sorted((DATA / "imagenet50").glob("*.JPEG")):
        large = Image.open(file).convert("L").resize((672, 672), Image.Resampling.BICUBIC)
        small = large.resize((224, 224), Image.Resampling.BICUBIC)
        samples.append({"input": np.asarray(small, np.float32)[None, None] / 255})
        originals.append({"output": np.asarray(large, np.float32)[None, None] / 255})
    model = (MODELS / "superres_10" / "model.onnx").read_bytes()
    truth = originals[1::4]
    return Task(
        "superres", model, "PSNR, dB", samples[::4], samples[1::4], lambda ours, exact: peak_signal(ours, truth, 1.0),
        {"input": ((1, 1, 224, 224),) * 3},
    )  # fmt: skip


def magika() -> Task:
    """Types of files; every other file calibrates."""
    folder = MODELS / "magika_v3_3"
    known = json.loads((folder / "labels.json").read_text())
    files = {f.name: f for f in (folder / "samples" / "basic").rglob("*") if f.is_file()}
    wanted = {n: label for n, label in zip(known["files"], known["expected"], strict=True) if n in files}
    samples = []
    for name in wanted:
        content = files[name].read_bytes()
        first, last = list(content.lstrip()[:1024]), list(content.rstrip()[-1024:])
        padded = first + [256] * (2048 - len(first) - len(last)) + last
        samples.append({"bytes": np.array([padded], np.int32)})
    truth = [known["labels"].index(label) if isinstance(known["labels"], list) else label for label in wanted.values()]
    model = (folder / "model.onnx").read_bytes()
    return Task(
        "magika", model, "top-1", samples[::2], samples[1::2], _top(1, np.array(truth[1::2])),
        {"bytes": ((1, 2048),) * 3},
    )  # fmt: skip


def ultraface() -> Task:
    """Faces: mAP of the boxes against those that f32 finds. Crops of one photograph calibrate, of the other judge."""
    folder = MODELS / "ultraface_rfb320"
    parts = []
    for name, seed in (("face1.jpg", 1), ("face11.jpg", 2)):
        crops = _crops(folder / "samples" / name, 40, (240, 320), seed, 0.5)
        parts.append(_named("input", [((c - 127) / 128).transpose(2, 0, 1)[None].astype(np.float32) for c in crops]))
    model = (folder / "model.onnx").read_bytes()
    return Task("ultraface", model, "mAP, f32's boxes", parts[0], parts[1], _agreement(_faces))


def ppocr() -> Task:
    """Lines of text: mAP of the boxes around connected pixels against those that f32 finds."""
    folder = MODELS / "ppocr_det_v11"
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    parts = []
    for name, seed in (("text_det.jpg", 1), ("en.jpg", 2)):
        crops = _crops(folder / "samples" / name, 30, (320, 320), seed, 0.35)
        ready = [((c[..., ::-1] / 255 - mean) / std).transpose(2, 0, 1)[None].astype(np.float32) for c in crops]
        parts.append(_named("image", ready))
    calibration, evaluation = parts[0][:20] + parts[1][:10], parts[0][20:] + parts[1][10:]
    model = _with_open_shape((folder / "model.onnx").read_bytes())
    return Task(
        "ppocr_det", model, "mAP, f32's boxes", calibration, evaluation, _agreement(_lines),
        {"image": ((1, 3, 320, 320),) * 3},
    )  # fmt: skip


def minilm(path: Path, tokenizer: Path) -> Task:
    """A sentence embedder: Spearman's correlation of cosine similarity with the score that people gave."""
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(tokenizer))
    words.no_padding()
    words.enable_truncation(64)
    with open(DATA / "stsb" / "stsb-en-dev.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 3]
    samples = [_pair(words, row[0], row[1]) for row in rows]
    truth = [float(row[2]) for row in rows]

    def similarity(answers: Iterable[Sample]) -> list[float]:
        return [float(a["sentence_embedding"][0] @ a["sentence_embedding"][1]) for a in answers]

    names = ("input_ids", "attention_mask", "token_type_ids")
    return Task(
        "minilm", path.read_bytes(), "Spearman", samples[:100], samples[300:900],
        lambda ours, exact: correlation(similarity(ours), truth[300:900]),
        dict.fromkeys(names, ((2, 1), (2, 24), (2, 64))), is_transformer=True,
    )  # fmt: skip


def gtcrn() -> Task:
    """Speech made clean, frame by frame, each frame on the states that the one before left: dB to f32's speech."""
    folder = MODELS / "gtcrn"
    sound = _sound(folder / "samples" / "mix.wav")
    window = np.sqrt(np.hanning(513)[:512]).astype(np.float32)
    frames = [np.fft.rfft(sound[i : i + 512] * window) for i in range(0, len(sound) - 512, 256)]
    inputs = [np.stack([f.real, f.imag], -1).astype(np.float32)[None, :, None] for f in frames]
    model = (folder / "model.onnx").read_bytes()
    shapes = {"conv_cache": (2, 1, 16, 16, 33), "tra_cache": (2, 3, 1, 1, 16), "inter_cache": (2, 1, 33, 16)}

    def stream(run: Run, part: Sequence[Array] = inputs[300:]) -> Sequence[Sample]:
        state, found = {n: np.zeros(s, np.float32) for n, s in shapes.items()}, []
        for frame in part:
            out = run({"mix": frame, **state})
            state = {n: out[f"{n}_out"] for n in shapes}
            found.append({"enh": out["enh"]})
        return found

    return Task("gtcrn", model, "SNR to f32, dB", _seen(model, stream, inputs[:300]), (), _snr("enh"), stream=stream)


def silero() -> Task:
    """Whether somebody speaks, 32 ms at a time: share of moments whose verdict (more than 0.5) is f32's."""
    folder = MODELS / "silero_vad_v5"
    sound = _sound(folder / "samples" / "speech.wav")
    pieces = [sound[i : i + 512] for i in range(0, len(sound) - 512, 512)]
    model = (folder / "model.onnx").read_bytes()

    def stream(run: Run, part: Sequence[Array] = pieces[200:]) -> Sequence[Sample]:
        state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
        for piece in part:
            out = run({"input": np.concatenate([before, piece])[None], "state": state, "sr": np.array(16000)})
            state, before = out["stateN"], piece[-64:]
            found.append({"output": out["output"]})
        return found

    def same(ours: Sequence[Sample], exact: Sequence[Sample]) -> float:
        return float(np.mean([(a["output"] > 0.5) == (b["output"] > 0.5) for a, b in zip(ours, exact, strict=True)]))

    shapes = {"input": ((1, 576),) * 3, "state": ((2, 1, 128),) * 3}
    return Task(
        "silero_vad", model, "verdicts as f32", _seen(model, stream, pieces[:200]), (), same, shapes, stream=stream
    )


def _seen(model: bytes, stream: Callable[..., Any], part: Sequence[Array]) -> list[Sample]:
    """What a stream feeds the model with, in f32."""
    import onnxruntime

    session, fed = onnxruntime.InferenceSession(model), list[Sample]()

    def run(sample: Sample) -> Sample:
        fed.append(sample)
        return dict(zip([o.name for o in session.get_outputs()], session.run(None, sample), strict=True))

    stream(run, part)
    return fed


def _named(name: str, arrays: Iterable[Array]) -> list[Sample]:
    return [{name: array} for array in arrays]


def _top(k: int, truth: Array) -> Callable[[Sequence[Sample], Sequence[Sample]], float]:
    def share(ours: Sequence[Sample], exact: Sequence[Sample]) -> float:
        scores = [next(iter(a.values())).reshape(-1) for a in ours]
        return float(np.mean([t in np.argsort(-s, kind="stable")[:k] for s, t in zip(scores, truth, strict=True)]))

    return share


def _snr(name: str) -> Callable[[Sequence[Sample], Sequence[Sample]], float]:
    def decibel(ours: Sequence[Sample], exact: Sequence[Sample]) -> float:
        a, b = (np.concatenate([x[name].ravel() for x in part]).astype(np.float64) for part in (ours, exact))
        noise = ((a - b) ** 2).sum()
        return float("inf") if noise == 0 else float(10 * np.log10((b**2).sum() / noise))

    return decibel


def _agreement(decode: Callable[[Sample], Sample]) -> Callable[[Sequence[Sample], Sequence[Sample]], float]:
    def agreement(ours: Sequence[Sample], exact: Sequence[Sample]) -> float:
        return mean_average_precision([decode(a) for a in ours], [decode(a) for a in exact])

    return agreement


def _faces(answer: Sample) -> Sample:
    """Boxes of at least half a chance, in pixels, the largest chance of those that overlap by more than 0.3."""
    scores, boxes = answer["scores"][0, :, 1], answer["boxes"][0] * np.array([320, 240, 320, 240])
    order, kept = [int(i) for i in np.argsort(-scores) if scores[i] > 0.5], list[int]()
    for i in order:
        if all(_overlap(boxes[i], boxes[j]) <= 0.3 for j in kept):
            kept.append(i)
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": np.zeros(len(kept), np.int64)}


def _lines(answer: Sample) -> Sample:
    """The boxes around connected pixels of more than 0.3 that hold at least 16 of them, with their mean as score."""
    from skimage.measure import label, regionprops

    chance = next(iter(answer.values()))[0, 0]
    found = [r for r in regionprops(label(chance > 0.3), chance) if r.area >= 16]
    boxes = np.array([[r.bbox[1], r.bbox[0], r.bbox[3], r.bbox[2]] for r in found], np.float64).reshape(-1, 4)
    scores = np.array([r.intensity_mean for r in found], np.float64)
    return {"boxes": boxes, "scores": scores, "labels": np.zeros(len(found), np.int64)}


def _overlap(a: Array, b: Array) -> float:
    size = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(size / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - size + 1e-9))


def _image(file: Path, size: int, shorter: int) -> Array:
    """RGB pixels of the middle, after the shorter side was made `shorter`."""
    image = Image.open(file).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)), np.float32)


def _crops(file: Path, count: int, size: tuple[int, int], seed: int, least: float) -> list[Array]:
    """Parts of a photograph, of random place, size (at least that share of it), side and brightness."""
    random, image = np.random.default_rng(seed), Image.open(file).convert("RGB")
    found = []
    for _ in range(count):
        share = random.uniform(least, 1.0)
        width, height = int(image.width * share), int(image.height * share)
        left, top = (int(random.integers(0, room + 1)) for room in (image.width - width, image.height - height))
        part = image.crop((left, top, left + width, top + height)).resize(size[::-1], Image.Resampling.BILINEAR)
        pixels = np.asarray(part, np.float32)[:, :: random.choice([1, -1])]
        found.append(np.clip(pixels * random.uniform(0.6, 1.2), 0, 255))
    return found


def _pair(words: Any, first: str, second: str) -> Sample:
    """Both sentences as a batch of two."""
    ids = [words.encode(text).ids for text in (first, second)]
    longest = max(map(len, ids))
    codes, mask = np.zeros((2, longest), np.int64), np.zeros((2, longest), np.int64)
    for row, each in enumerate(ids):
        codes[row, : len(each)], mask[row, : len(each)] = each, 1
    return {"input_ids": codes, "attention_mask": mask, "token_type_ids": np.zeros_like(codes)}


def _sound(path: Path) -> Array:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def _without_constant_inputs(model: bytes) -> bytes:
    """Initializers that are inputs, too, keep other tools from taking them for weights."""
    proto = onnx.ModelProto.FromString(model)
    constants = {t.name for t in proto.graph.initializer}
    kept = [v for v in proto.graph.input if v.name not in constants]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    proto.ir_version = max(proto.ir_version, 4)
    return bytes(proto.SerializeToString())


def _widened(model: bytes) -> bytes:
    """The same model with f32 in place of f16."""
    proto = onnx.ModelProto.FromString(_without_constant_inputs(model))
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for tensor in proto.graph.initializer:
        if tensor.data_type == half:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = single
    return bytes(onnx.version_converter.convert_version(proto, 13).SerializeToString())


def _with_open_shape(model: bytes) -> bytes:
    """Without the batch of -1 and the output shape that does not hold."""
    proto = onnx.ModelProto.FromString(model)
    for value in (*proto.graph.input, *proto.graph.output):
        for number, dim in enumerate(value.type.tensor_type.shape.dim):
            if number != 1:
                dim.ClearField("dim_value")
                dim.dim_param = f"{value.name}_{number}"
    return bytes(proto.SerializeToString())


TASKS: dict[str, Callable[[], Task]] = {
    "digits": digits, "mnist_cntk": mnist, "squeezenet": squeezenet, "superres": superres, "magika": magika,
    "ultraface": ultraface, "ppocr_det": ppocr, "gtcrn": gtcrn, "silero_vad": silero,
}  # fmt: skip
