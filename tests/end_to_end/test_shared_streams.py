"""Real models that carry state from call to call: a plan runs whole recordings and texts, one step a call."""

from __future__ import annotations

import json

import numpy as np
import pytest

import burnish
from tests.end_to_end.oracle import Array
from tests.end_to_end.shared_models import PAST, model_path, plan_of, sound


def speech_probabilities(engine: burnish.Engine, samples: Array, rate: int, frames: int) -> Array:
    """Silero's stream: each call takes 32 ms and the last 4 ms of the call before."""
    context, fresh = (64, 512) if rate == 16000 else (32, 256)
    before, state = np.zeros((1, context), np.float32), np.zeros((2, 1, 128), np.float32)
    found = np.zeros(frames, np.float32)
    for frame in range(frames):
        window = np.concatenate([before, samples[None, frame * fresh : (frame + 1) * fresh]], 1)
        answer = engine({"input": window, "state": state, "sr": np.array(rate)})
        found[frame], state, before = answer["output"][0, 0], answer["stateN"], window[:, -context:]
    return found


@pytest.mark.parametrize("rate, step", [(16000, 1), (8000, 2)])
def test_silero_hears_the_same_speech_over_twenty_seconds(rate: int, step: int):
    path = model_path("silero_vad_v5")
    expected = np.load(path.parent / "stream_expected.npz")[f"prob_{rate // 1000}k"]
    samples = sound(path.parent / "samples" / "speech.wav")[::step]
    plan = burnish.build(path, shapes={"input": (1, 576 // step), "state": (2, 1, 128)})
    with burnish.load(plan, threads=1) as engine:
        found = speech_probabilities(engine, samples, rate, len(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert np.array_equal(found > 0.5, expected > 0.5)


def test_one_silero_plan_serves_both_rates_and_batches():
    path = model_path("silero_vad_v5")
    expected = np.load(path.parent / "stream_expected.npz")
    samples = sound(path.parent / "samples" / "speech.wav")
    plan = plan_of("silero_vad_v5")
    with burnish.load(plan, threads=2) as engine:
        for rate, step in ((16000, 1), (8000, 2)):
            want = expected[f"prob_{rate // 1000}k"][:100]
            found = speech_probabilities(engine, samples[::step], rate, 100)
            np.testing.assert_allclose(found, want, rtol=0, atol=1e-4)


def test_gtcrn_enhances_ten_seconds_as_its_authors_do():
    """Frames of 512 samples, half overlapping, under a square root of a Hann window, one frame a call."""
    path = model_path("gtcrn")
    noisy = np.pad(sound(path.parent / "samples" / "mix.wav"), 256, mode="reflect")
    wanted = sound(path.parent / "samples" / "enh_stream.wav").astype(np.float64)
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)).astype(np.float32)
    names = ("conv_cache", "tra_cache", "inter_cache")
    clean, weight = np.zeros(len(noisy)), np.zeros(len(noisy))
    with burnish.load(plan_of("gtcrn"), threads=1) as engine:
        state = {t.name: np.zeros(engine.profile_shapes()[t.name], np.float32) for t in engine.inputs[1:]}
        for start in range(0, len(noisy) - 511, 256):
            spectrum = np.fft.rfft(noisy[start : start + 512] * window)
            mix = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)[None, :, None]
            answer = engine({"mix": mix, **state})
            state = {name: answer[f"{name}_out"] for name in names}
            real, imaginary = answer["enh"][0, :, 0].T
            clean[start : start + 512] += np.fft.irfft(real + 1j * imaginary) * window
            weight[start : start + 512] += window**2
    heard = (clean / np.maximum(weight, 1e-8))[256 : 256 + len(wanted)]
    ratio = 10 * np.log10((wanted**2).sum() / ((heard - wanted) ** 2).sum())
    assert ratio > 58, f"signal to error {ratio:.1f} dB; ONNX Runtime has 58.7 (16-bit rounding of the recording)"


def test_stories_tells_the_same_story_through_the_growing_cache():
    """200 greedy tokens; the cache grows from nothing, and the plan is built once."""
    path = model_path("stories260k")
    golden = json.loads((path.parent / "golden_greedy.json").read_text())
    with burnish.load(plan_of("stories260k"), threads=2) as engine:
        tokens = list(golden["start_ids"])
        past = {name: np.zeros((1, 4, 0, 8), np.float32) for name in PAST}
        while len(tokens) < len(golden["greedy_ids"]):
            answer = engine({"input_ids": np.array([tokens[-1:]]), **past})
            tokens.append(int(answer["logits"][0, -1].argmax()))
            past = {name: answer[name.replace("past_key_values", "present")] for name in PAST}
    assert tokens == golden["greedy_ids"]


def test_stories_reads_a_prompt_at_once_as_it_does_token_by_token():
    path = model_path("stories260k")
    golden = json.loads((path.parent / "golden_greedy.json").read_text())["greedy_ids"][:16]
    empty = {name: np.zeros((1, 4, 0, 8), np.float32) for name in PAST}
    with burnish.load(plan_of("stories260k"), threads=1) as engine:
        answer = engine({"input_ids": np.array([golden]), **empty})
    assert answer["logits"][0].argmax(-1).tolist()[:-1] == golden[1:]
