"""`burnish trtexec`: the flags, the report and the files of TensorRT's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from burnish.cli.trtexec.flags import IGNORED, KNOWN, REFUSED, SWITCHES, TAKES_VALUE, VALUES, WARNED
from burnish.cli.trtexec.options import parse_options
from burnish.cli.trtexec.timing import repeat, statistics
from burnish.errors import UserError
from burnish.plan import read
from tests.cli.conftest import Command

QUICK = ("--duration=0", "--warmUp=0", "--iterations=3")


def test_the_line_of_the_issue_builds_a_plan_and_reports(command: Command, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    done = command("trtexec", f"--onnx={model}", f"--saveEngine={engine}", "--fp16", "--shapes=x:5x4", *QUICK)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("&&&& RUNNING Burnish.trtexec")
    assert lines[-1].startswith("&&&& PASSED Burnish.trtexec")
    sections = re.findall(r"=== (.*?) ===", done.out)
    assert sections == [
        "Model Options", "Build Options", "System Options", "Inference Options", "Reporting Options", "Trace details",
        "Performance summary",
    ]  # fmt: skip
    number = r"\d[\d.e+-]*"
    assert re.search(rf"\[I\] Throughput: {number} qps", done.out)
    assert re.search(
        rf"\[I\] Latency: min = {number} ms, max = {number} ms, mean = {number} ms, median = {number} ms, "
        rf"percentile\(90%\) = {number} ms, percentile\(95%\) = {number} ms, percentile\(99%\) = {number} ms",
        done.out,
    )
    assert read(engine).manifest.options["precision"] == "fp16"
    assert read(engine).manifest.inputs[0].shape == (5, 4)


def test_a_target_of_our_own_builds_for_another_machine(command: Command, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    build = ("trtexec", f"--onnx={model}", f"--saveEngine={engine}", "--bf16", "--shapes=x:5x4", "--skipInference")
    done = command(*build, "--target=cuda:sm_80")
    assert (done.code, "Device: cuda:sm_80" in done.out, "Precision: FP32+BF16" in done.out) == (0, True, True), (
        done.err
    )
    assert [v.target for v in read(engine).manifest.variants] == ["cuda:sm_80"]
    asked = command("trtexec", f"--loadEngine={engine}", "--getPlanVersionOnly")
    assert asked.code == 0 and "Plan was created with burnish" in asked.out, "a version needs no GPU"


def test_flags_take_their_value_after_a_space_too(command: Command, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    done = command(
        "trtexec", "--onnx", model, "--saveEngine", engine, "--skipInference", "--memPoolSize", "workspace:64"
    )
    assert done.code == 0, done.err
    assert "Throughput" not in done.out
    assert read(engine).manifest.options["workspace"] == 64 << 20


def test_the_workspace_leaves_tactics_out_and_says_so(command: Command, tmp_path: Path) -> None:
    """As TensorRT's does: activations may be as large as they are."""
    text = '<ir_version: 10, opset_import: ["" : 21]> '
    text += "m (float[1,32,16,16] x) => (float[1,32,16,16] y) { y = Conv <pads=[1,1,1,1]> (x, w) }"
    proto = onnx.parser.parse_model(text)
    weight = np.ones((32, 32, 3, 3), np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    onnx.save(proto, tmp_path / "conv.onnx")
    for size, is_told in (("4K", True), ("64", False)):
        done = command("trtexec", f"--onnx={tmp_path / 'conv.onnx'}", "--buildOnly", f"--memPoolSize=workspace:{size}")
        assert done.code == 0, done.err
        assert ("does without Winograd's F(4x4)" in done.out + done.err) is is_told


def test_a_dynamic_input_without_shapes_is_overridden_as_trtexec_does(command: Command, model: Path) -> None:
    done = command("trtexec", f"--onnx={model}", "--buildOnly")
    assert "Dynamic dimensions required for input: x, but no shapes were provided" in done.err
    assert "Automatically overriding shape to: 1x4" in done.err


def test_a_range_runs_at_opt_or_at_shapes(command: Command, model: Path, tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    ranges = ("--minShapes=x:1x4", "--optShapes=x:2x4", "--maxShapes=x:8x4", f"--saveEngine={engine}")
    assert "input x, 2x4" in command("trtexec", f"--onnx={model}", *ranges, *QUICK).out
    done = command("trtexec", f"--loadEngine={engine}", "--shapes=*:7x4", "--dumpOptimizationProfile", *QUICK)
    assert "input x, 7x4" in done.out
    assert "min=1x4, opt=2x4, max=8x4" in done.out


def test_every_file_and_dump(command: Command, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.arange(8, dtype=np.float32).tofile("x.bin")
    exports = [f"--export{kind}={kind}.json" for kind in ("Times", "Output", "Profile", "LayerInfo")]
    dumps = ["--dumpOutput", "--dumpProfile", "--dumpLayerInfo", "--dumpRawBindingsToFile", "--verbose"]
    more = [
        "--profilingVerbosity=detailed",
        "--loadInputs='x':x.bin",
        "--infStreams=2",
        "--avgRuns=1",
        "--percentile=50",
    ]
    done = command("trtexec", f"--loadEngine={plan}", *QUICK, *exports, *dumps, *more)
    assert done.code == 0, done.err
    times = json.loads(Path("Times.json").read_text())
    assert len(times) == 6 and all(t["latencyMs"] == t["computeMs"] > 0 for t in times)
    (output,) = json.loads(Path("Output.json").read_text())
    assert (output["name"], output["dimensions"], len(output["values"])) == ("y", "2x3", 6)
    profile = json.loads(Path("Profile.json").read_text())
    assert profile[0].keys() == {"count"}
    assert profile[1].keys() == {"name", "timeMs", "averageMs", "medianMs", "percentage"}
    assert json.loads(Path("LayerInfo.json").read_text())["Layers"][0]["TacticName"]
    assert "=== Profile (" in done.out and "Output Tensors:" in done.out and "percentile(50%)" in done.out
    assert "=== Explanations of the performance metrics ===" in done.out
    assert np.fromfile("output.y.2x3.float32.raw", np.float32).tolist() == pytest.approx(output["values"])


def test_loading_alone_and_the_version(command: Command, plan: Path) -> None:
    assert "deserialized in" in command("trtexec", f"--loadEngine={plan}", "--timeDeserialize").out
    assert "burnish 0.1.0" in command("trtexec", f"--loadEngine={plan}", "--getPlanVersionOnly").out


@pytest.mark.parametrize("flag", sorted(REFUSED))
def test_every_refused_flag_says_what_to_use_instead(command: Command, flag: str) -> None:
    done = command("trtexec", "--onnx=m.onnx", f"--{flag}=1")
    assert done.code == 2
    assert f"E631: burnish trtexec does not take --{flag}" in done.err and REFUSED[flag] in done.err
    assert done.out.splitlines()[-1].startswith("&&&& FAILED")


@pytest.mark.parametrize("flag", sorted(WARNED))
def test_every_warned_flag_is_accepted_with_a_warning(flag: str) -> None:
    text = f"--{flag}=1" if flag in TAKES_VALUE else f"--{flag}"
    assert [w.partition(":")[0] for w in parse_options(["--onnx=m", text]).warnings] == [f"--{flag}"]


@pytest.mark.parametrize("flag", sorted(IGNORED))
def test_every_ignored_flag_is_accepted_silently(flag: str) -> None:
    arguments = [f"--{flag}", "1"] if flag in TAKES_VALUE else [f"--{flag}"]
    assert parse_options(["--onnx=m", *arguments]).warnings == ()


def test_every_flag_of_tensorrt_10_is_known() -> None:
    """The list of sampleOptions.cpp and trtexec.cpp, 10.16."""
    text = (
        "adjustForDLA allocationStrategy allowGPUFallback allowWeightStreaming asyncFileReader avgRuns avgTiming best "
        "bf16 buildDLAStandalone builderOptimizationLevel calib calibProfile consistency cpuOnly "
        "decomposableAttentions device directIO distributiveIndependence dumpKernelText dumpLayerInfo "
        "dumpOptimizationProfile dumpOutput dumpProfile dumpRawBindingsToFile dumpRefit duration dynamicPlugins "
        "enablePluginOverride errorOnTimingCacheMiss excludeLeanRuntime exportLayerInfo exportOutput exportProfile "
        "exportTimes exposeDMA fp16 fp8 getPlanVersionOnly hardwareCompatibilityLevel help idleTime "
        "ignoreParsedPluginLibs infStreams inputIOFormats int4 int8 iterations l2LimitForTiling layerDeviceTypes "
        "layerOutputTypes layerPrecisions leanDLLPath loadEngine loadInputs markDebug "
        "markUnfusedTensorsAsDebugTensors maxAuxStreams maxShapes maxShapesCalib maxTactics memPoolSize minShapes "
        "minShapesCalib monitorMemory noBuilderCache noCompilationCache noDataTransfers noTF32 onnx optShapes "
        "optShapesCalib outputIOFormats percentile persistentCacheRatio pi pluginInstanceNorm plugins "
        "precisionConstraints preview profile profilingVerbosity refit refitFromOnnx remoteAutoTuningConfig "
        "reportCapabilityDLA restricted runtimePlatform safe safetyPlugins saveAllDebugTensors saveDebugTensors "
        "saveEngine separateProfileRun serialized setPluginsToSerialize shapes skipInference sleepTime sparsity "
        "staticPlugins std streams stripAllWeights stripWeights stronglyTyped tacticSources tempdir tempfileControls "
        "threads tilingOptimizationLevel timeDeserialize timeRefit timingCacheFile uint8AsymmetricQuantizationDLA "
        "useCudaGraph useDLACore useManagedMemory useProfile useRuntime useSpinWait vc verbose versionCompatible "
        "warmUp weightStreamingBudget weightless"
    )
    assert not set(text.split()) - KNOWN
    tables = [set(t) for t in (VALUES, SWITCHES, WARNED, IGNORED, REFUSED)]
    assert sum(map(len, tables)) == len(KNOWN)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--nonsense"], "E630"),
        (["onnx=m"], "E630"),
        (["--onnx=m", "--iterations=many"], "E632"),
        (["--onnx=m", "--avgRuns=0"], "E632"),
        (["--onnx=m", "--percentile=101"], "E632"),
        (["--onnx=m", "--device=1"], "E632"),
        (["--onnx=m", "--useProfile=2"], "E632"),
        (["--onnx=m", "--inputIOFormats=fp16:hwc8"], "E632"),
        (["--onnx=m", "--memPoolSize=dlaSRAM:1"], "E632"),
        (["--onnx=m", "--verbose=maybe"], "E632"),
        (["--onnx=m", "--loadInputs=x"], "E632"),
        (["--onnx", "--verbose"], "E632"),
        (["--onnx=m", "--shapes=x"], "E612"),
        (["--onnx=m", "--workspace=big"], "E614"),
        (["--verbose"], "E633"),
        (["--onnx=m", "--loadEngine=p"], "E633"),
    ],
)
def test_what_does_not_parse_is_refused_with_a_code(arguments: list[str], code: str) -> None:
    with pytest.raises(UserError, match=code):
        parse_options(arguments)


def test_a_misspelt_flag_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"did you mean --saveEngine\?"):
        parse_options(["--saveEngin=x"])


def test_switches_can_be_turned_off_and_threads_take_a_number() -> None:
    options = parse_options(["--onnx=m", "--verbose=0", "--fp16=false", "--threads=4", "-v"])
    assert options.warnings == () and options.precision == "fp32"
    assert options.threads == 4 and options.wants("verbose")
    assert parse_options(["--onnx=m", "--threads"]).threads is None


def test_a_file_of_another_size_is_refused(command: Command, plan: Path, tmp_path: Path) -> None:
    np.zeros(3, np.float32).tofile(tmp_path / "x.bin")
    assert "E634" in command("trtexec", f"--loadEngine={plan}", f"--loadInputs=x:{tmp_path / 'x.bin'}").err
    assert "E617" in command("trtexec", f"--loadEngine={plan}", f"--loadInputs=q:{tmp_path / 'x.bin'}").err


def test_help_lists_every_flag(command: Command) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        out = command("trtexec", *arguments).out
        assert all(f"--{flag}" in out for flag in (*VALUES, *SWITCHES, *WARNED, *REFUSED))


def test_statistics_are_trtexecs() -> None:
    found = statistics([4.0, 1.0, 3.0, 2.0], (0, 50, 99, 100))
    assert (found.min, found.max, found.mean, found.median) == (1.0, 4.0, 2.5, 2.5)
    assert found.percentiles == ((0, 1.0), (50, 2.0), (99, 4.0), (100, 4.0))


def test_runs_last_for_the_iterations_and_for_the_duration() -> None:
    assert len(repeat(lambda: None, iterations=5, duration_s=0, warm_up_ms=0)[0]) == 5
    runs, warm_ups = repeat(lambda: None, iterations=1, duration_s=0.02, warm_up_ms=5, sleep_ms=1, idle_ms=1)
    assert 1 < len(runs) <= 10 and warm_ups > 1
    assert runs[-1].end_ms >= 15


def test_a_measurement_without_end_is_ended_by_ctrl_c() -> None:
    calls = iter(range(100))

    def call() -> None:
        if next(calls) == 10:
            raise KeyboardInterrupt

    assert len(repeat(call, iterations=1, duration_s=-1, warm_up_ms=0)[0]) == 10
