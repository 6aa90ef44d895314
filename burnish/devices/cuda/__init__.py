"""The device `cuda`: an NVIDIA GPU through its driver alone; see README.md."""

from __future__ import annotations

from burnish.devices.cuda.array import DeviceArray
from burnish.devices.cuda.bindings import count_gpus
from burnish.devices.cuda.device import Cuda
from burnish.devices.cuda.driver import Address, Integer, TensorMap

__all__ = ["Address", "Cuda", "DeviceArray", "Integer", "TensorMap", "count_gpus"]
