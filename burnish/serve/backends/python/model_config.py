"""What a model's `auto_complete_config` gets to fill in. Lives in the model's process."""

from __future__ import annotations

from typing import Any

_TENSOR_FIELDS = ("name", "data_type", "dims", "optional", "allow_ragged_batch", "reshape", "label_filename", "format")


class ModelConfig:
    """A configuration in the form of the config endpoint's JSON."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def as_dict(self) -> dict[str, Any]:
        return self._fields

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Smaller of the two wins where the configuration has one already."""
        if self._fields.get("max_batch_size", 0) == 0:
            self._fields["max_batch_size"] = max_batch_size
        elif max_batch_size < self._fields["max_batch_size"]:
            raise ValueError(
                f"configuration specified max_batch_size {self._fields['max_batch_size']}, but in "
                f"auto_complete_config function for model '{self._fields['name']}' specified max_batch_size "
                f"{max_batch_size}"
            )

    def set_dynamic_batching(self) -> None:
        if "sequence_batching" in self._fields or "ensemble_scheduling" in self._fields:
            raise ValueError("Configuration specified scheduling choice other than dynamic_batching.")
        self._fields.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, policy: dict[str, Any]) -> None:
        unknown = set(policy) - {"decoupled"}
        if unknown:
            raise ValueError(f"model transaction policy has unknown fields: {', '.join(sorted(unknown))}")
        self._fields["model_transaction_policy"] = dict(policy)

    def add_input(self, tensor: dict[str, Any]) -> None:
        self._add("input", tensor)

    def add_output(self, tensor: dict[str, Any]) -> None:
        self._add("output", tensor)

    def _add(self, kind: str, tensor: dict[str, Any]) -> None:
        for field in ("name", "data_type", "dims"):
            if field not in tensor:
                raise ValueError(f"{kind} must specify '{field}'")
        unknown = set(tensor) - set(_TENSOR_FIELDS)
        if unknown:
            raise ValueError(f"{kind} '{tensor['name']}' has unknown fields: {', '.join(sorted(unknown))}")
        held: list[dict[str, Any]] = self._fields.setdefault(kind, [])
        for there in held:
            if there["name"] == tensor["name"]:
                for field in ("data_type", "dims"):
                    if there.get(field) and list_or(there[field]) != list_or(tensor[field]):
                        raise ValueError(
                            f"unable to load model '{self._fields['name']}', configuration expects {field} "
                            f"{there[field]} for {kind} '{tensor['name']}' but the model provides {tensor[field]}"
                        )
                    there[field] = tensor[field]
                return
        held.append(dict(tensor))


def list_or(value: Any) -> Any:
    return [int(v) for v in value] if isinstance(value, list | tuple) else value
