"""The table of adapters: by operator, and by the version that changed it."""

from __future__ import annotations

from burnish.importers.upgrade.attributes import (
    average_pool_19,
    clip_11,
    dft_20,
    dropout_12,
    grid_sample_20,
    pad_11,
    reduce_18,
    roi_align_16,
    rotary_heads,
    scatter_11,
    slice_10,
    split_13,
    split_18,
    squeeze_13,
    through_floats,
    topk_10,
)
from burnish.importers.upgrade.convert import Adapter
from burnish.importers.upgrade.normalize import batch_normalization_9, batch_normalization_14, group_normalization_21
from burnish.importers.upgrade.resize import resize_11, upsample_9, upsample_10
from burnish.importers.upgrade.scan import scan_9
from burnish.importers.upgrade.softmax import softmax_13

EVERY_VERSION = 1 << 30

ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    "AveragePool": ((19, average_pool_19),),
    "BatchNormalization": ((9, batch_normalization_9), (14, batch_normalization_14)),
    "Clip": ((11, clip_11),),
    "DFT": ((20, dft_20),),
    "Dropout": ((12, dropout_12),),
    "Erf": ((13, through_floats),),
    "GridSample": ((20, grid_sample_20),),
    "GroupNormalization": ((21, group_normalization_21),),
    "Hardmax": ((13, softmax_13),),
    "LogSoftmax": ((13, softmax_13),),
    "Pad": ((11, pad_11),),
    "ReduceL1": ((18, reduce_18),),
    "ReduceL2": ((18, reduce_18),),
    "ReduceLogSum": ((18, reduce_18), (EVERY_VERSION, through_floats)),
    "ReduceLogSumExp": ((18, reduce_18), (EVERY_VERSION, through_floats)),
    "ReduceMax": ((18, reduce_18),),
    "ReduceMean": ((18, reduce_18),),
    "ReduceMin": ((18, reduce_18),),
    "ReduceProd": ((18, reduce_18),),
    "ReduceSum": ((13, reduce_18),),
    "ReduceSumSquare": ((18, reduce_18),),
    "Resize": ((11, resize_11),),
    "RoiAlign": ((16, roi_align_16),),
    "RotaryEmbedding": ((EVERY_VERSION, rotary_heads),),
    "Scan": ((9, scan_9),),
    "Scatter": ((EVERY_VERSION, scatter_11),),
    "Slice": ((10, slice_10),),
    "Softmax": ((13, softmax_13),),
    "Split": ((13, split_13), (18, split_18)),
    "Squeeze": ((13, squeeze_13),),
    "TopK": ((10, topk_10),),
    "Unsqueeze": ((13, squeeze_13),),
    "Upsample": ((9, upsample_9), (EVERY_VERSION, upsample_10)),
}
