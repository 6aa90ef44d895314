"""All flags of TensorRT 10's trtexec, and flags of 8 that scripts still use, with their effect in `burnish trtexec`.

    VALUES    takes a value; same meaning as in TensorRT
    SWITCHES  on or off; same meaning as in TensorRT
    WARNED    accepted with a warning: the plan is right, but lacks the feature that the flag asks for
    IGNORED   accepted silently: a CPU plan does not have the feature, or always has it
    REFUSED   stops with an error that says what to use instead

Source: samples/common/sampleOptions.cpp of TensorRT 10.16 (github.com/NVIDIA/TensorRT), which makes the help text.
"""

from __future__ import annotations

VALUES: dict[str, str] = {
    "onnx": "ONNX model",
    "saveEngine": "Save the plan",
    "loadEngine": "Load a plan",
    "shapes": "Shapes for inference: NAME:1x3x224x224,... Also the shapes to build for, if no min, opt or max is given",
    "minShapes": "Build for a range: smallest shapes",
    "optShapes": "Build for a range: shapes to tune for",
    "maxShapes": "Build for a range: largest shapes",
    "memPoolSize": "workspace:SIZE in MiB (or with K, M, G): most memory that one tactic may use",
    "workspace": "TensorRT 8: the same, in MiB",
    "timingCacheFile": "Take tactics from this file. Measure those it lacks, unless --builderOptimizationLevel=0",
    "builderOptimizationLevel": "0: cost model. 1 to 5: measure; higher try more (default 3 with a cache, else 0)",
    "inputIOFormats": "fp32:chw only: inputs have the types of the model, row-major",
    "outputIOFormats": "fp32:chw only: outputs have the types of the model, row-major",
    "profilingVerbosity": "layer_names_only | detailed | none, for --dumpLayerInfo and --exportLayerInfo",
    "loadInputs": "NAME:FILE,...: raw bytes or .npy (default: random inputs)",
    "iterations": "Run at least N inferences (default 10)",
    "duration": "Run for at least N seconds (default 3)",
    "warmUp": "Run for N milliseconds before measuring (default 200)",
    "sleepTime": "Wait N milliseconds before each inference",
    "idleTime": "Wait N milliseconds after each inference",
    "infStreams": "Run N contexts at once (default 1)",
    "streams": "TensorRT 8: the same",
    "useProfile": "0 only: a plan has one optimization profile",
    "device": "0 only",
    "avgRuns": "Average over N inferences in the trace (default 10)",
    "percentile": "Percentiles to report (default 90,95,99)",
    "exportTimes": "Write the times of all inferences as JSON",
    "exportOutput": "Write the outputs as JSON",
    "exportProfile": "Write the time of each layer as JSON",
    "exportLayerInfo": "Write the names and kernels of the layers as JSON",
    "calib": "Ranges for --int8: a TensorRT calibration cache, a file of ranges, or samples (as burnish build --calib)",
    "layerPrecisions": "NAME:fp32|fp16|bf16|int8,...: precisions of layers, * is any text; see --precisionConstraints",
    "precisionConstraints": "none (default: --layerPrecisions changes nothing) | prefer | obey (fail if it cannot be)",
    "target": "Burnish's own flag: what to build for, as in burnish build --target (default: this machine's processor)",
}
SWITCHES: dict[str, str] = {
    "help": "Print this help",
    "fp16": "Use float16 wherever the result stays safe (with --bf16 too: float16)",
    "bf16": "Use bfloat16 wherever the result stays safe",
    "int8": "Multiply codes of 8 bits. Without --calib, and without Q and DQ in the model, answers are not kept",
    "fp8": "Multiply float8 (E4M3), on GPUs from sm_89; CPUs round to it. Needs ranges as --int8 does",
    "best": "The same as --int8 --fp8 --fp16: GPUs from sm_89 multiply float8 in MatMul and Gemm, int8 elsewhere",
    "verbose": "Print the passes while building, and what the metrics mean",
    "threads": "Each stream always has its own thread. --threads=N sets its number of CPU threads (default: all cores)",
    "errorOnTimingCacheMiss": "Fail if any task is missing from the timing cache",
    "skipInference": "Stop after the build",
    "buildOnly": "TensorRT 8: the same",
    "timeDeserialize": "Time the load of the plan, and stop",
    "dumpOutput": "Print the outputs of the last inference",
    "dumpRawBindingsToFile": "Write inputs and outputs as raw files into the current folder",
    "dumpProfile": "Print the time of each layer",
    "dumpLayerInfo": "Print the names and kernels of the layers",
    "dumpOptimizationProfile": "Print the range of each input",
    "getPlanVersionOnly": "Print the version of the Burnish that built the plan of --loadEngine, and stop",
}
WARNED: dict[str, str] = {
    "int4": "it is not there yet, and changes nothing",
    "layerOutputTypes": "a tensor's type follows from the layers beside it; use --layerPrecisions",
    "sparsity": "CPUs leave zeros out of weights where that is faster, with it or without it",
    "useManagedMemory": "a CPU plan's memory is the host's",
}
TAKES_VALUE = {
    "layerOutputTypes", "sparsity", "avgTiming", "maxAuxStreams", "maxTactics",
    "tacticSources", "tilingOptimizationLevel", "l2LimitForTiling", "persistentCacheRatio", "tempdir",
    "tempfileControls", "nvtxMode", "preview", "hardwareCompatibilityLevel", "allocationStrategy",
}  # fmt: skip
IGNORED = {
    "useCudaGraph", "useSpinWait", "noDataTransfers", "exposeDMA", "separateProfileRun", "noTF32", "noBuilderCache",
    "noCompilationCache", "stronglyTyped", "explicitBatch", "directIO", "versionCompatible", "vc", "excludeLeanRuntime",
    "avgTiming", "maxAuxStreams", "maxTactics", "tacticSources", "tilingOptimizationLevel", "l2LimitForTiling",
    "persistentCacheRatio", "tempdir", "tempfileControls", "nvtxMode", "preview", "hardwareCompatibilityLevel",
    "allocationStrategy", "asyncFileReader", "distributiveIndependence", "monitorMemory", "pluginInstanceNorm", "pi",
    "ignoreParsedPluginLibs", "skipParsedPluginLibs", "heuristic", "enableProfileSharing",
}  # fmt: skip
_PLUGIN = "plugins are GPU code; an operator without a native kernel runs on the reference kernel"
_DLA = "there is no DLA; leave it out"
_SAFE = "there is no safety runtime; leave it out"
_REFIT = "build the plan again; it takes seconds"
_STREAMING = "weights are memory-mapped and shared anyway; leave it out"
_LAYER = "write the types into the model (Cast nodes): what the graph says is what is built"
_CALIBRATION = "calibrate in these shapes first: burnish calibrate MODEL --data DATA -o FILE.cache"
_DEBUG = "use burnish verify --first-divergent, or mark the tensors as outputs of the model"
_REMOVED = "TensorRT has removed it as well; export the model to ONNX"
REFUSED: dict[str, str] = {
    **dict.fromkeys(("plugins", "staticPlugins", "dynamicPlugins", "setPluginsToSerialize", "safetyPlugins"), _PLUGIN),
    **dict.fromkeys(("enablePluginOverride",), _PLUGIN),
    **dict.fromkeys(("useDLACore", "allowGPUFallback", "buildDLAStandalone", "adjustForDLA"), _DLA),
    **dict.fromkeys(("reportCapabilityDLA", "uint8AsymmetricQuantizationDLA", "layerDeviceTypes"), _DLA),
    **dict.fromkeys(("safe", "std", "consistency", "restricted", "dumpKernelText", "serialized"), _SAFE),
    **dict.fromkeys(("remoteAutoTuningConfig", "cpuOnly"), _SAFE),
    **dict.fromkeys(("refit", "refitFromOnnx", "dumpRefit", "timeRefit", "stripWeights", "stripAllWeights"), _REFIT),
    "weightless": _REFIT,
    **dict.fromkeys(("allowWeightStreaming", "weightStreamingBudget"), _STREAMING),
    "decomposableAttentions": _LAYER,
    **dict.fromkeys(("minShapesCalib", "optShapesCalib", "maxShapesCalib", "calibProfile"), _CALIBRATION),
    **dict.fromkeys(("markDebug", "markUnfusedTensorsAsDebugTensors"), _DEBUG),
    **dict.fromkeys(("saveDebugTensors", "saveAllDebugTensors"), _DEBUG),
    **dict.fromkeys(("uff", "uffInput", "uffNHWC", "deploy", "model", "output"), _REMOVED),
    "batch": "implicit batch is gone; give the batch in --shapes=input:8x3x224x224",
    "maxBatch": "implicit batch is gone; give the range with --minShapes, --optShapes, --maxShapes",
    "profile": "a plan has one optimization profile; cover all shapes with one --minShapes .. --maxShapes",
    "runtimePlatform": "use burnish build --target, once for each processor level the plan must run on",
    "useRuntime": "there is one runtime, and it carries no compiler; leave it out",
    "leanDLLPath": "there is one runtime, and it carries no compiler; leave it out",
}
KNOWN = {*VALUES, *SWITCHES, *WARNED, *IGNORED, *REFUSED}
