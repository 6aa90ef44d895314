"""Random nodes of ai.onnx.ml, as scikit-learn's converter writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Case, Random, draws, floats, one_of, some

ML = "ai.onnx.ml"


@draws
def normalizer(r: Random) -> Case:
    return Case("Normalizer", (floats(r, 3, 4),), {"norm": one_of(r, "MAX", "L1", "L2")}, domain=ML)


@draws
def scaler(r: Random) -> Case:
    attributes = {"offset": floats(r, 4).tolist(), "scale": one_of(r, floats(r, 4).tolist(), [0.5])}
    attributes["offset"] = attributes["offset"][: len(attributes["scale"])]
    return Case("Scaler", (floats(r, 3, 4),), attributes, domain=ML)


@draws
def imputer(r: Random) -> Case:
    x = r.integers(0, 3, (3, 4)).astype(np.float32)
    if r.random() < 0.5:
        x[x == 1] = np.nan
        attributes = {"imputed_value_floats": floats(r, 4).tolist(), "replaced_value_float": float("nan")}
        return Case("Imputer", (x,), attributes, domain=ML)
    return Case("Imputer", (x,), {"imputed_value_floats": [7.0], "replaced_value_float": 1.0}, domain=ML)


@draws
def binarizer(r: Random) -> Case:
    return Case("Binarizer", (floats(r, 3, 4),), some(r, threshold=0.3), domain=ML)


@draws
def array_feature_extractor(r: Random) -> Case:
    return Case("ArrayFeatureExtractor", (floats(r, 3, 4), r.integers(0, 4, 2)), domain=ML)


@draws
def label_encoder(r: Random) -> Case:
    x = r.integers(0, 5, (3, 2))
    attributes: dict[str, Any] = {
        "keys_int64s": [0, 1, 2],
        "values_floats": [0.5, 1.5, 2.5],
        **some(r, default_float=9.0),
    }
    if r.random() < 0.5:
        x = x.astype(np.float32)
        attributes = {"keys_floats": [0.0, 1.0], "values_int64s": [7, 8], **some(r, default_int64=3)}
    return Case("LabelEncoder", (x,), attributes, domain=ML)


@draws
def one_hot_encoder(r: Random) -> Case:
    x = r.integers(0, 5, (3, 2)) if r.random() < 0.5 else r.integers(0, 5, 4).astype(np.float32)
    return Case("OneHotEncoder", (x,), {"cats_int64s": [0, 1, 2, 3, 4], **some(r, zeros=1)}, domain=ML)


@draws
def linear_regressor(r: Random) -> Case:
    attributes = {"coefficients": floats(r, 8).tolist(), "intercepts": floats(r, 2).tolist(), "targets": 2}
    return Case("LinearRegressor", (floats(r, 3, 4),), attributes, domain=ML)


@draws
def linear_classifier(r: Random) -> Case:
    classes = one_of(r, 2, 3)
    attributes = {
        "coefficients": floats(r, 4 * classes).tolist(),
        "intercepts": floats(r, classes).tolist(),
        "classlabels_ints": list(range(3, 3 + classes)),
        "post_transform": one_of(r, "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"),
        "multi_class": int(r.integers(2)),
    }
    return Case("LinearClassifier", (floats(r, 5, 4),), attributes, ("y", "p"), domain=ML)


@draws
def svm_regressor(r: Random) -> Case:
    attributes = {
        "kernel_type": one_of(r, "LINEAR", "POLY", "RBF", "SIGMOID"), "kernel_params": [0.5, 0.3, 2.0], "n_supports": 3,
        "support_vectors": floats(r, 12).tolist(), "coefficients": floats(r, 3).tolist(), "rho": [0.2],
        **some(r, one_class=1),
    }  # fmt: skip
    return Case("SVMRegressor", (floats(r, 5, 4),), attributes, domain=ML)


@draws
def svm_classifier(r: Random) -> Case:
    classes = one_of(r, 2, 3)
    pairs = classes * (classes - 1) // 2
    attributes = {
        "kernel_type": one_of(r, "LINEAR", "RBF"), "kernel_params": [0.5, 0.3, 2.0], "vectors_per_class": [2] * classes,
        "support_vectors": floats(r, 2 * classes * 4).tolist(),
        "coefficients": floats(r, (classes - 1) * 2 * classes).tolist(),
        "rho": floats(r, pairs).tolist(), "classlabels_ints": list(range(classes)),
        "post_transform": one_of(r, "NONE", "LOGISTIC", "SOFTMAX"),
    }  # fmt: skip
    if r.random() < 0.5 or (classes == 2 and attributes["post_transform"] != "NONE"):
        attributes |= {"prob_a": (-np.abs(floats(r, pairs))).tolist(), "prob_b": floats(r, pairs).tolist()}
    return Case("SVMClassifier", (floats(r, 5, 4),), attributes, ("y", "p"), domain=ML)


@draws
def feature_vectorizer(r: Random) -> Case:
    return Case("FeatureVectorizer", (floats(r, 3, 2), floats(r, 3, 3)), {"inputdimensions": [2, 3]}, domain=ML)
