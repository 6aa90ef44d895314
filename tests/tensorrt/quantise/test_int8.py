"""INT8: calibrators are called in TensorRT's order, caches come back, ranges by hand hold; ONNX Runtime judges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.plan import read
from burnish.runtime import load
from burnish.tensorrt import cudart, pycuda
from tests.tensorrt.run_network import Array, Quiet

RNG = np.random.default_rng(7)
WEIGHTS = {"v": RNG.standard_normal((16, 32)), "w": RNG.standard_normal((32, 8))}
SAMPLES = RNG.standard_normal((12, 16)).astype(np.float32)


def model(batch: str = "N") -> bytes:
    text = f"g (float[{batch},16] x) => (float[{batch},8] y) {{ h = MatMul(x, v)  r = Relu(h)  y = MatMul(r, w) }}"
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    for node, name in zip(proto.graph.node, ("first", "gate", "second")):
        node.name = name
    proto.graph.initializer.extend(numpy_helper.from_array(a.astype(np.float32), n) for n, a in WEIGHTS.items())
    return bytes(proto.SerializeToString())


class Calibrator(trt.IInt8EntropyCalibrator2):
    """As scripts write it: one piece of device memory, refilled for each batch. calls: what was asked, in order."""

    def __init__(self, cache: bytes | None = None, size: int = 4, batches: int = 3) -> None:
        super().__init__()
        self.cache, self.size, self.calls = cache, size, []
        self.memory = cudart.cudaMalloc(4 * 16 * size)[1]
        self.batches: Iterator[Array] = iter([SAMPLES[n * size : (n + 1) * size] for n in range(batches)])

    def get_batch_size(self) -> int:
        self.calls.append("size")
        return self.size

    def get_batch(self, names: list[str]) -> list[int] | None:
        self.calls.append("batch")
        assert names == ["x"]
        batch = next(self.batches, None)
        if batch is None:
            return None
        cudart.cudaMemcpy(self.memory, np.ascontiguousarray(batch), batch.nbytes, 1)
        return [self.memory]

    def read_calibration_cache(self) -> bytes | None:
        self.calls.append("read")
        return self.cache

    def write_calibration_cache(self, cache: bytes) -> None:
        self.calls.append("write")
        self.cache = bytes(cache)


def build(
    calibrator: trt.IInt8Calibrator | None,
    *flags: str,
    batch: str = "N",
    change=lambda network: None,
    codes: tuple[str, ...] = ("INT8",),
) -> tuple[bytes | None, Quiet]:
    logger = Quiet()
    builder = trt.Builder(logger)
    network, config = builder.create_network(1), builder.create_builder_config()
    assert trt.OnnxParser(network, logger).parse(model(batch))
    change(network)
    for flag in (*codes, *flags):
        config.set_flag(getattr(trt.BuilderFlag, flag))
    config.int8_calibrator = calibrator
    if batch == "N":
        profile = builder.create_optimization_profile()
        profile.set_shape("x", (1, 16), (2, 16), (4, 16))
        config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config), logger


def texts(logger: Quiet, severity: str) -> list[str]:
    return [text for level, text in logger.messages if level == severity]


def answers(plan: bytes | None, x: Array) -> Array:
    assert plan is not None
    with load(plan) as engine:
        return engine({"x": x})["y"]


def error(plan: bytes | None) -> float:
    """Of the plan, against ONNX Runtime's f32: norms."""
    exact = onnxruntime.InferenceSession(model()).run(None, {"x": SAMPLES[:4]})[0]
    return float(np.linalg.norm(answers(plan, SAMPLES[:4]) - exact) / np.linalg.norm(exact))


def test_a_calibrator_is_asked_for_its_cache_then_for_batches_and_gets_the_new_cache() -> None:
    calibrator = Calibrator()
    plan, logger = build(calibrator)
    assert calibrator.calls == ["read", "size", "batch", "batch", "batch", "batch", "write"], logger.messages
    lines = calibrator.cache.decode().splitlines()
    assert lines[0] == "TRT-101401-EntropyCalibration2" and [line.split(": ")[0] for line in lines[1:]] == ["x", "r"]
    assert 0 < error(plan) < 0.05
    told = texts(logger, "INFO")
    assert "Starting Calibration." in told
    assert "Writing Calibration Cache for calibrator: TRT-101401-EntropyCalibration2" in told
    assert sum(text.startswith("Calibrated batch") for text in told) == 3

    again = Calibrator(calibrator.cache)
    second, logger = build(again)
    assert again.calls == ["read"]
    assert "Reading Calibration Cache for calibrator: EntropyCalibration2" in texts(logger, "INFO")
    assert 0 < error(second) < 0.05


def test_the_fp8_flag_rounds_to_float8_by_a_calibrator_a_cache_and_ranges_by_hand() -> None:
    def by_hand(network: trt.INetworkDefinition) -> None:
        network.get_input(0).dynamic_range = (-4, 4)
        network.get_layer(1).get_output(0).dynamic_range = (0, 20)

    first = Calibrator()
    for calibrator, change in (
        (first, lambda n: None),
        (Calibrator(b"TRT-8001-x\nx: 3d000000\nr: 3e000000\n"), by_hand),
    ):
        plan, logger = build(calibrator, codes=("FP8",), change=change)
        assert plan is not None, logger.messages
        assert read(bytes(plan)).manifest.options["precision"] == "fp8"
        assert 0 < error(plan) < 0.08
        assert any(text.startswith("2 products read float8") for text in texts(logger, "INFO"))
    assert first.cache.startswith(b"TRT-101401-EntropyCalibration2\n")  # amax / 127, whichever codes it is for
    plan, logger = build(Calibrator(), codes=("INT8", "FP8"))
    assert read(bytes(plan)).manifest.options["precision"] == "int8"


def test_a_cache_of_another_network_or_a_damaged_one_fails_the_build() -> None:
    for cache, code in [(b"TRT-8001-EntropyCalibration2\nother: 3c010a14\n", "E731"), (b"no cache", "E730")]:
        plan, logger = build(Calibrator(cache))
        assert plan is None and code in texts(logger, "ERROR")[0]


def test_a_cache_without_a_tensor_leaves_its_reader_and_says_so_in_tensorrts_words() -> None:
    plan, logger = build(Calibrator(b"TRT-8001-EntropyCalibration2\nx: 3cc00000\n"))
    assert plan is not None
    assert [t for t in texts(logger, "WARNING") if t.startswith("Missing scale and zero-point for tensor r, expect")]


def test_the_four_calibrators_choose_ranges_in_their_way() -> None:
    largest = np.abs(SAMPLES).max()
    found = {}
    for kind in (trt.IInt8MinMaxCalibrator, trt.IInt8LegacyCalibrator, trt.IInt8EntropyCalibrator):
        methods = {n: f for n, f in vars(Calibrator).items() if n != "__init__" and callable(f)}
        own = type("Own", (kind,), {**methods, "get_quantile": lambda self: 0.9})()
        own.__dict__.update(Calibrator().__dict__)
        plan, logger = build(own)
        assert plan is not None, logger.messages
        head, first, *_ = own.cache.decode().splitlines()
        found[head] = np.frombuffer(bytes.fromhex(first.split(": ")[1].zfill(8)), ">f4")[0] * 127
    assert list(found) == [f"TRT-101401-{m}Calibration" for m in ("MinMax", "Legacy", "Entropy")]
    minmax, legacy, entropy = found.values()
    assert minmax == pytest.approx(largest) and entropy <= largest * 1.001
    assert legacy == pytest.approx(np.quantile(np.abs(SAMPLES), 0.9), rel=0.02)


def test_a_fixed_batch_is_run_as_often_as_the_calibrators_batch_holds_it() -> None:
    calibrator = Calibrator()
    plan, logger = build(calibrator, batch="2")
    assert plan is not None, logger.messages
    assert calibrator.calls.count("batch") == 4
    short, logger = build(Calibrator(size=1), batch="2")
    assert short is None and "E722" in texts(logger, "ERROR")[0]


def test_pycuda_memory_and_addresses_for_the_wrong_number_of_inputs() -> None:
    memory = pycuda.mem_alloc(4 * 16 * 4)
    pycuda.memcpy_htod(memory, SAMPLES[:4])

    class Own(Calibrator):
        def get_batch(self, names: list[str]) -> list[object] | None:
            self.calls.append("batch")
            return [memory] if self.calls.count("batch") == 1 else []

    plan, logger = build(Own())
    assert plan is not None and error(plan) < 0.05, logger.messages

    class Twice(Calibrator):
        def get_batch(self, names: list[str]) -> list[int] | None:
            return [self.memory, self.memory]

    plan, logger = build(Twice())
    assert plan is None and "E722" in texts(logger, "ERROR")[0]
    plan, logger = build(Calibrator(batches=0))
    assert plan is None and "E721" in texts(logger, "ERROR")[0]


def test_dynamic_ranges_by_hand_need_no_calibrator_and_clip() -> None:
    def change(network: trt.INetworkDefinition, high: float = 6.0) -> None:
        network.get_input(0).dynamic_range = (-4.0, high)
        for layer in network:
            assert layer.get_output(0).set_dynamic_range(-20, 20)

    plan, logger = build(None, change=change)
    assert 0 < error(plan) < 0.05
    assert any(t.startswith("Calibrator is not being used. Users must provide") for t in texts(logger, "WARNING"))
    narrow, _ = build(None, change=lambda network: (change(network), network.get_input(0).set_dynamic_range(0, 0.1)))
    assert error(narrow) > 0.5
    assert error(build(None)[0]) < 1e-5  # without any range nothing is quantised


def test_a_range_that_is_none_is_refused_and_one_can_be_reset() -> None:
    tensor = trt.Builder(Quiet()).create_network(1).add_input("x", trt.float32, (1, 4))
    assert tensor.dynamic_range is None
    tensor.dynamic_range = (-1, 2)
    assert tensor.dynamic_range == (-1.0, 2.0)
    tensor.reset_dynamic_range()
    assert tensor.dynamic_range is None
    with pytest.raises(UserError, match="E651"):
        tensor.dynamic_range = (1, float("inf"))


def test_a_network_with_q_and_dq_ignores_the_calibrator_and_says_so() -> None:
    def change(network: trt.INetworkDefinition) -> None:
        scale = network.add_constant((1,), np.full(1, 0.05, np.float32)).get_output(0)
        codes = network.add_quantize(network.get_layer(1).get_output(0), scale)
        network.mark_output(network.add_dequantize(codes.get_output(0), scale).get_output(0))

    calibrator = Calibrator()
    plan, logger = build(calibrator, change=change)
    assert plan is not None and calibrator.calls == [], logger.messages
    assert any("explicit quantization mode" in text for text in texts(logger, "WARNING"))


def test_the_builder_says_whether_the_processor_multiplies_bytes_and_tensorrt_7_sets_int8_there() -> None:
    builder = trt.Builder(Quiet())
    with open("/proc/cpuinfo") as file:
        assert builder.platform_has_fast_int8 == ("avx512_vnni" in file.read())
    network = builder.create_network(1)
    assert trt.OnnxParser(network, builder.logger).parse(model("4"))
    builder.int8_mode, builder.int8_calibrator = True, Calibrator()
    assert builder.int8_mode and builder.build_cuda_engine(network) is not None
    assert builder.int8_calibrator.calls[-1] == "write" and not builder.fp16_mode


def test_inputs_without_a_batch_are_read_in_their_own_shape() -> None:
    logger = Quiet()
    builder = trt.Builder(logger)
    network, config = builder.create_network(1), builder.create_builder_config()
    x, scale = network.add_input("x", trt.float16, (4, 16)), network.add_input("scale", trt.float32, (1, 16))
    weight = network.add_constant((16, 8), WEIGHTS["w"][:16].astype(np.float32)).get_output(0)
    wide = network.add_cast(x, trt.float32).get_output(0)
    scaled = network.add_elementwise(wide, scale, trt.ElementWiseOperation.PROD).get_output(0)
    none = trt.MatrixOperation.NONE
    network.mark_output(network.add_matrix_multiply(scaled, none, weight, none).get_output(0))
    memory = [SAMPLES[:4].astype(np.float16), np.full((1, 16), 2, np.float32)]
    seen = []

    class Own(trt.IInt8MinMaxCalibrator):
        def get_batch_size(self) -> int:
            return 4

        def get_batch(self, names: list[str]) -> list[object] | None:
            seen.append(names)
            return list(memory) if len(seen) == 1 else None

        def write_calibration_cache(self, cache: bytes) -> None:
            seen.append(cache.decode().splitlines())

    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = Own()
    assert builder.build_serialized_network(network, config) is not None, logger.messages
    assert seen[:2] == [["x", "scale"]] * 2
    digits = seen[2][1].split(": ")[-1]
    largest = np.frombuffer(bytes.fromhex(digits.zfill(8)), ">f4")[0] * 127
    assert largest == pytest.approx(2 * np.abs(SAMPLES[:4].astype(np.float16)).max(), rel=1e-6)
