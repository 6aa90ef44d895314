"""TensorRT's enumerations: the names and numbers of TensorRT 10, and those of TensorRT 8 that were removed since.

A table. Like TensorRT's own, a member converts to int (`1 << int(BuilderFlag.FP16)`) and prints as `BuilderFlag.FP16`.
"""

from __future__ import annotations

import enum

__all__ = [
    "ActivationType", "BoundingBoxFormat", "BuilderFlag", "CalibrationAlgoType", "CumulativeOperation", "DeviceType",
    "ElementWiseOperation", "EngineCapability", "ErrorCode", "ExecutionContextAllocationStrategy", "FillOperation",
    "GatherMode",
    "HardwareCompatibilityLevel", "InterpolationMode", "LayerInformationFormat", "LayerType", "MatrixOperation",
    "MemoryPoolType", "NetworkDefinitionCreationFlag", "OnnxParserFlag", "PaddingMode", "PoolingType", "PreviewFeature",
    "ProfilingVerbosity", "QuantizationFlag", "ReduceOperation", "ResizeCoordinateTransformation", "ResizeRoundMode",
    "ResizeSelector", "RuntimePlatform", "SampleMode", "ScaleMode", "ScatterMode", "SerializationFlag", "TacticSource",
    "TempfileControlFlag", "TensorFormat", "TensorIOMode", "TensorLocation", "TensorRTEnum", "TilingOptimizationLevel",
    "TopKOperation", "UnaryOperation",
]  # fmt: skip


class TensorRTEnum(enum.Enum):
    """The base of all of them: a number with a name."""

    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def bit(self) -> int:
        """1 << number: its place in a flag word."""
        return 1 << int(self)


class ActivationType(TensorRTEnum):
    RELU, SIGMOID, TANH, LEAKY_RELU, ELU, SELU, SOFTSIGN, SOFTPLUS, CLIP, HARD_SIGMOID, SCALED_TANH = range(11)
    THRESHOLDED_RELU, GELU_ERF, GELU_TANH = range(11, 14)


class BoundingBoxFormat(TensorRTEnum):
    CORNER_PAIRS, CENTER_SIZES = range(2)


class BuilderFlag(TensorRTEnum):
    FP16, INT8, DEBUG, GPU_FALLBACK, REFIT, DISABLE_TIMING_CACHE, TF32, SPARSE_WEIGHTS, SAFETY_SCOPE = range(9)
    OBEY_PRECISION_CONSTRAINTS, PREFER_PRECISION_CONSTRAINTS, DIRECT_IO, REJECT_EMPTY_ALGORITHMS = range(9, 13)
    VERSION_COMPATIBLE, EXCLUDE_LEAN_RUNTIME, FP8, ERROR_ON_TIMING_CACHE_MISS, BF16 = range(13, 18)
    DISABLE_COMPILATION_CACHE, STRIP_PLAN, REFIT_IDENTICAL, WEIGHT_STREAMING, INT4, REFIT_INDIVIDUAL = range(18, 24)
    STRICT_NANS, MONITOR_MEMORY, FP4, EDITABLE_TIMING_CACHE, DISTRIBUTIVE_INDEPENDENCE = range(24, 29)
    STRICT_TYPES, ENABLE_TACTIC_HEURISTIC = 29, 30  # TensorRT 8


class CalibrationAlgoType(TensorRTEnum):
    LEGACY_CALIBRATION, ENTROPY_CALIBRATION, ENTROPY_CALIBRATION_2, MINMAX_CALIBRATION = range(4)


class CumulativeOperation(TensorRTEnum):
    SUM = 0


class DeviceType(TensorRTEnum):
    GPU, DLA = range(2)


class ElementWiseOperation(TensorRTEnum):
    SUM, PROD, MAX, MIN, SUB, DIV, POW, FLOOR_DIV, AND, OR, XOR, EQUAL, GREATER, LESS = range(14)


class EngineCapability(TensorRTEnum):
    STANDARD, SAFETY, DLA_STANDALONE = range(3)


class ErrorCode(TensorRTEnum):
    """The code of an ONNX parser's error."""

    SUCCESS, INTERNAL_ERROR, MEM_ALLOC_FAILED, MODEL_DESERIALIZE_FAILED, INVALID_VALUE, INVALID_GRAPH = range(6)
    INVALID_NODE, UNSUPPORTED_GRAPH, UNSUPPORTED_NODE, UNSUPPORTED_NODE_ATTR, UNSUPPORTED_NODE_INPUT = range(6, 11)
    UNSUPPORTED_NODE_DATATYPE, UNSUPPORTED_NODE_DYNAMIC, UNSUPPORTED_NODE_SHAPE, REFIT_FAILED = range(11, 15)


class ExecutionContextAllocationStrategy(TensorRTEnum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class FillOperation(TensorRTEnum):
    LINSPACE, RANDOM_UNIFORM, RANDOM_NORMAL = range(3)


class GatherMode(TensorRTEnum):
    DEFAULT, ELEMENT, ND = range(3)


class HardwareCompatibilityLevel(TensorRTEnum):
    NONE, AMPERE_PLUS, SAME_COMPUTE_CAPABILITY = range(3)


class InterpolationMode(TensorRTEnum):
    NEAREST, LINEAR, CUBIC = range(3)


class LayerInformationFormat(TensorRTEnum):
    ONELINE, JSON = range(2)


class LayerType(TensorRTEnum):
    CONVOLUTION, CAST, ACTIVATION, POOLING, LRN, SCALE, SOFTMAX, DECONVOLUTION, CONCATENATION, ELEMENTWISE = range(10)
    PLUGIN, UNARY, PADDING, SHUFFLE, REDUCE, TOPK, GATHER, MATRIX_MULTIPLY, RAGGED_SOFTMAX, CONSTANT = range(10, 20)
    IDENTITY, PLUGIN_V2, SLICE, SHAPE, PARAMETRIC_RELU, RESIZE, TRIP_LIMIT, RECURRENCE, ITERATOR = range(20, 29)
    LOOP_OUTPUT, SELECT, FILL, QUANTIZE, DEQUANTIZE, CONDITION, CONDITIONAL_INPUT, CONDITIONAL_OUTPUT = range(29, 37)
    SCATTER, EINSUM, ASSERTION, ONE_HOT, NON_ZERO, GRID_SAMPLE, NMS, REVERSE_SEQUENCE = range(37, 45)
    NORMALIZATION, PLUGIN_V3, SQUEEZE, UNSQUEEZE, CUMULATIVE, DYNAMIC_QUANTIZE = range(45, 51)
    FULLY_CONNECTED, RNN_V2 = 1001, 1002  # TensorRT 8


class MatrixOperation(TensorRTEnum):
    NONE, TRANSPOSE, VECTOR = range(3)


class MemoryPoolType(TensorRTEnum):
    WORKSPACE, DLA_MANAGED_SRAM, DLA_LOCAL_DRAM, DLA_GLOBAL_DRAM, TACTIC_DRAM, TACTIC_SHARED_MEMORY = range(6)


class NetworkDefinitionCreationFlag(TensorRTEnum):
    EXPLICIT_BATCH, STRONGLY_TYPED, PREFER_JIT_PYTHON_PLUGINS, PREFER_AOT_PYTHON_PLUGINS = range(4)
    EXPLICIT_PRECISION = 30  # TensorRT 8


class OnnxParserFlag(TensorRTEnum):
    NATIVE_INSTANCENORM, ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA, REPORT_CAPABILITY_DLA = range(3)
    ENABLE_PLUGIN_OVERRIDE, ADJUST_FOR_DLA = range(3, 5)


class PaddingMode(TensorRTEnum):
    EXPLICIT_ROUND_DOWN, EXPLICIT_ROUND_UP, SAME_UPPER, SAME_LOWER = range(4)


class PoolingType(TensorRTEnum):
    MAX, AVERAGE, MAX_AVERAGE_BLEND = range(3)


class PreviewFeature(TensorRTEnum):
    PROFILE_SHARING_0806, ALIASED_PLUGIN_IO_10_03, RUNTIME_ACTIVATION_RESIZE_10_10 = range(3)
    FASTER_DYNAMIC_SHAPES_0805, DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805 = 30, 31  # TensorRT 8


class ProfilingVerbosity(TensorRTEnum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)
    DEFAULT, VERBOSE = 0, 2  # TensorRT 8's names: aliases


class QuantizationFlag(TensorRTEnum):
    CALIBRATE_BEFORE_FUSION = 0


class ReduceOperation(TensorRTEnum):
    SUM, PROD, MAX, MIN, AVG, NONE = range(6)


class ResizeCoordinateTransformation(TensorRTEnum):
    ALIGN_CORNERS, ASYMMETRIC, HALF_PIXEL = range(3)


class ResizeRoundMode(TensorRTEnum):
    HALF_UP, HALF_DOWN, FLOOR, CEIL = range(4)


class ResizeSelector(TensorRTEnum):
    FORMULA, UPPER = range(2)


class RuntimePlatform(TensorRTEnum):
    SAME_AS_BUILD, WINDOWS_AMD64 = range(2)


class SampleMode(TensorRTEnum):
    STRICT_BOUNDS, WRAP, CLAMP, FILL, REFLECT = range(5)
    DEFAULT = 0  # TensorRT 8's name


class ScaleMode(TensorRTEnum):
    UNIFORM, CHANNEL, ELEMENTWISE = range(3)


class ScatterMode(TensorRTEnum):
    ELEMENT, ND = range(2)


class SerializationFlag(TensorRTEnum):
    EXCLUDE_WEIGHTS, EXCLUDE_LEAN_RUNTIME, INCLUDE_REFIT = range(3)


class TacticSource(TensorRTEnum):
    CUBLAS, CUBLAS_LT, CUDNN, EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS = range(5)


class TempfileControlFlag(TensorRTEnum):
    ALLOW_IN_MEMORY_FILES, ALLOW_TEMPORARY_FILES = range(2)


class TensorFormat(TensorRTEnum):
    LINEAR, CHW2, HWC8, CHW4, CHW16, CHW32, DHWC8, CDHW32, HWC, DLA_LINEAR, DLA_HWC4, HWC16, DHWC = range(13)


class TensorIOMode(TensorRTEnum):
    NONE, INPUT, OUTPUT = range(3)


class TensorLocation(TensorRTEnum):
    DEVICE, HOST = range(2)


class TilingOptimizationLevel(TensorRTEnum):
    NONE, FAST, MODERATE, FULL = range(4)


class TopKOperation(TensorRTEnum):
    MAX, MIN = range(2)


class UnaryOperation(TensorRTEnum):
    EXP, LOG, SQRT, RECIP, ABS, NEG, SIN, COS, TAN, SINH, COSH, ASIN, ACOS, ATAN, ASINH, ACOSH, ATANH = range(17)
    CEIL, FLOOR, ERF, NOT, SIGN, ROUND, ISINF, ISNAN = range(17, 25)
