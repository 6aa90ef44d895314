"""Names of TensorRT's API that Burnish does not have, each with an alternative."""

from __future__ import annotations

from burnish.errors import UserError

INSTEAD = {
    "Refitter": "build again: with the timing cache a build replays its tactics",
    "OnnxParserRefitter": "build again: with the timing cache a build replays its tactics",
    "get_plugin_registry": "define the operator in burnish/ops (docs/adding-an-operator.md)",
    "IPluginV2": "define the operator in burnish/ops (docs/adding-an-operator.md)",
    "IPluginV3": "define the operator in burnish/ops (docs/adding-an-operator.md)",
    "CaffeParser": "convert the model to ONNX",
    "UffParser": "convert the model to ONNX",
    "IAlgorithmSelector": "give a timing cache: it stores the chosen tactics, readable and editable",
}


class MissingName(UserError, AttributeError):
    """E650. An AttributeError too, so that hasattr() and getattr(..., default) answer as scripts expect."""

    def __init__(self, name: str) -> None:
        UserError.__init__(
            self,
            "E650",
            f"burnish.tensorrt has no '{name}'",
            hint=INSTEAD.get(name, "burnish/tensorrt/README.md says what there is"),
        )
