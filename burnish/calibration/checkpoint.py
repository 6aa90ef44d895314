"""Histograms in a file: what an interrupted calibration goes on from, and another method chooses ranges from.

An .npz that is written whole or not at all: `head` (JSON: the model's digest, the number of samples, a digest of them
all in order, and each tensor's name and ends), `counts`, an i64 row for each tensor, and `sums` of channels. A later
run reads the samples already counted again, to see that they are the same, but does not run them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.calibration.channel_sums import ChannelSums
from burnish.calibration.counting import FINE
from burnish.calibration.histogram import Histogram
from burnish.errors import UserError
from burnish.plan import check_place, write_atomically

VERSION = 3
MARK = "burnish_histograms"
_FIELDS = ("reach", "low", "high", "count", "zeros", "bad")
Array = np.ndarray[Any, Any]


@dataclass
class Tally:
    """Histograms of a model's tensors, how many samples they count, and the digest of those samples.

    runs: of the model; each counts the samples of a batch
    """

    model: str
    histograms: dict[str, Histogram]
    runs: int = 0
    samples: int = 0
    channels: dict[str, ChannelSums] = field(default_factory=dict)
    _digest: Any = field(default_factory=hashlib.sha256)
    is_whole: bool = True  # False while a sample is being counted

    @property
    def data(self) -> str:
        return str(self._digest.hexdigest())

    def know(self, sample: Mapping[str, Array]) -> None:
        """Take a sample into the digest."""
        for name in sorted(sample):
            array = np.ascontiguousarray(sample[name])
            self._digest.update(f"{name} {array.dtype} {array.shape};".encode())
            self._digest.update(array.data if array.size else b"")


def model_digest(graph: ir.Graph) -> str:
    """Tells one optimised model from another: its nodes, attributes, and constants."""
    found = hashlib.sha256()
    for node in graph:
        names = [str(v and v.name) for v in (*node.inputs, *node.outputs)]
        found.update(f"{node.domain}:{node.op_type}({','.join(names)})\n".encode())
        for name in sorted(node.attributes):  # as text a long tensor is only its shape
            found.update(ir.to_proto(node.attributes[name]).SerializeToString(deterministic=True))
    for name in sorted(map(str, graph.initializers)):
        content = graph.initializers[name].const_value
        found.update(name.encode())
        if content is not None:
            found.update(f":{content.dtype}{content.shape}".encode())
            found.update(np.ascontiguousarray(content.numpy()).tobytes())
    return found.hexdigest()


def save_tally(tally: Tally, path: str | os.PathLike[str]) -> None:
    """Write a file that `load_tally` reads. E403 if it cannot be written."""
    check_place(path)
    tensors = [[name, *(getattr(h, f) for f in _FIELDS)] for name, h in tally.histograms.items()]
    head = {MARK: VERSION, "model": tally.model, "runs": tally.runs, "samples": tally.samples}
    head |= {"data": tally.data, "tensors": tensors}
    head["channels"] = [[name, c.axis, c.has_ends, c.count, len(c.sums)] for name, c in tally.channels.items()]
    counts = np.stack([h.counts for h in tally.histograms.values()] or [np.zeros(2 * FINE, np.int64)])
    sums = np.concatenate([np.zeros((3, 0)), *(np.stack([c.sums, *c.ends]) for c in tally.channels.values())], 1)
    file = io.BytesIO()
    np.savez_compressed(file, head=np.frombuffer(json.dumps(head).encode(), np.uint8), counts=counts, sums=sums)
    write_atomically(path, [file.getvalue()])


@dataclass(frozen=True)
class Saved:
    """What a file of histograms holds."""

    path: Path
    model: str
    runs: int
    samples: int
    data: str
    histograms: dict[str, Histogram]
    channels: dict[str, ChannelSums]


def load_tally(path: str | os.PathLike[str]) -> Saved:
    """Read a file of histograms. E747 if it is none."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            head, counts, sums = json.loads(content["head"].tobytes()), content["counts"], content["sums"]
        if head.get(MARK) != VERSION:
            raise ValueError("another version wrote it")
        if counts.dtype != np.int64 or counts.shape != (max(len(head["tensors"]), 1), 2 * FINE):
            raise ValueError("its counts do not fit its tensors")
        found = {}
        for (name, reach, low, high, *numbers), row in zip(head["tensors"], counts):
            count, zeros, bad = map(int, numbers)
            found[str(name)] = Histogram(row.copy(), float(reach), float(low), float(high), count, zeros, bad)
        runs, samples = int(head["runs"]), int(head["samples"])
        channels = _channels(head["channels"], sums)
        return Saved(Path(path), str(head["model"]), runs, samples, str(head["data"]), found, channels)
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        why = (error.strerror if isinstance(error, OSError) else "") or "it is damaged, or another program wrote it"
        hint = "delete it, or give --calib-cache another name"
        raise UserError("E747", f"{path} is no file of histograms", why=why, hint=hint) from error


def _channels(rows: list[Any], sums: Array) -> dict[str, ChannelSums]:
    """ValueError if the numbers do not fit the rows."""
    if sums.dtype != np.float64 or sums.shape != (3, sum(size for *_, size in rows)):
        raise ValueError("its channels do not fit its tensors")
    found, start = {}, 0
    for name, axis, has_ends, count, size in rows:
        part = sums[:, start : start + size]
        found[str(name)] = ChannelSums(
            int(axis), bool(has_ends), int(count), part[0].copy(), part[1:].astype(np.float32)
        )
        start += size
    return found


def resume(saved: Saved, tally: Tally, samples: Iterator[Mapping[str, Array]]) -> None:
    """Take what a file counted, and the samples that it counted from the iterator. E748 if it is of another run."""
    if saved.model != tally.model or set(saved.histograms) != set(tally.histograms):
        raise _another(saved, "its model has other nodes or weights than this one")
    for number in range(saved.runs):
        sample = next(samples, None)
        if sample is None:
            raise _another(saved, f"it counted {saved.runs} runs; the data has {number}")
        tally.know(sample)
    if saved.data != tally.data:
        raise _another(saved, f"its {saved.samples} samples are not the data's first ones")
    tally.histograms = {name: saved.histograms[name] for name in tally.histograms}
    tally.channels = {name: saved.channels[name] for name in tally.channels if name in saved.channels}
    tally.runs, tally.samples = saved.runs, saved.samples


@contextmanager
def delayed_interrupt() -> Iterator[threading.Event]:
    """The event is set by Ctrl-C, which then raises nothing: who counts looks at it between two samples.

    A second one ends the program at once, as ever. Only the main thread gets signals; elsewhere nothing changes.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def press(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _another(saved: Saved, why: str) -> UserError:
    hint = "delete it to count anew, or give --calib-cache another name"
    return UserError("E748", f"{saved.path} is of another model or other data", why=why, hint=hint)
