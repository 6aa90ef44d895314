"""EngineInspector: describes an engine's layers, as lines or as JSON."""

from __future__ import annotations

import json
from typing import Any

from burnish.errors import UserError
from burnish.runtime import Engine
from burnish.tensorrt.enums import LayerInformationFormat
from burnish.tensorrt.interfaces import IErrorRecorder

__all__ = ["EngineInspector"]


class EngineInspector:
    """Get one from `ICudaEngine.create_engine_inspector`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.execution_context: Any = None
        self.error_recorder: IErrorRecorder | None = None

    def get_layer_information(self, layer_index: int, format: LayerInformationFormat) -> str:
        """One launch: its name, kernel, tactic, and the ONNX nodes it does."""
        launches = self._engine.variant.launches
        if not 0 <= layer_index < len(launches):
            raise UserError("E654", f"the engine has {len(launches)} layers; {layer_index} is not one of them")
        launch = launches[layer_index]
        if format is LayerInformationFormat.ONELINE:
            return f"{launch.name} [{launch.kernel}: {launch.tactic}] {' + '.join(launch.nodes)}\n"
        layer = {
            "Name": launch.name,
            "LayerType": launch.kernel,
            "TacticName": launch.tactic,
            "Nodes": list(launch.nodes),
        }
        return json.dumps(layer)

    def get_engine_information(self, format: LayerInformationFormat) -> str:
        """Every layer, and the names of the bindings."""
        layers = [self.get_layer_information(n, format) for n in range(len(self._engine.variant.launches))]
        if format is LayerInformationFormat.ONELINE:
            return "".join(layers)
        bindings = [t.name for t in (*self._engine.manifest.inputs, *self._engine.manifest.outputs)]
        return json.dumps({"Layers": [json.loads(text) for text in layers], "Bindings": bindings}, indent=1)
