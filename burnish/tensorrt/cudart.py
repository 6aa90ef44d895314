"""The calls of cuda-python's `cudart` that TensorRT scripts make, on host memory, for the CPU target.

`from burnish.tensorrt import cudart` in place of `from cuda import cudart`. As there, each call returns a tuple that
begins with an error. Copies copy; streams and events do nothing, because all work is complete when a call returns.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from burnish.tensorrt.enums import TensorRTEnum
from burnish.tensorrt.memory import address_of

_memory: dict[int, Any] = {}  # address -> the array that owns it, until it is freed


class cudaError_t(TensorRTEnum):
    cudaSuccess, cudaErrorInvalidValue = range(2)


class cudaMemcpyKind(TensorRTEnum):
    cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice = range(4)
    cudaMemcpyDefault = 4


_SUCCESS = cudaError_t.cudaSuccess


def cudaMalloc(size: int) -> tuple[cudaError_t, int]:
    """`size` bytes, 64-byte aligned."""
    owner = np.empty(int(size) + 64, np.uint8)
    address = -(-int(owner.ctypes.data) // 64) * 64
    _memory[address] = owner
    return _SUCCESS, address


cudaMallocHost = cudaMalloc


def cudaMallocAsync(size: int, stream: Any) -> tuple[cudaError_t, int]:
    return cudaMalloc(size)


def cudaFree(address: Any) -> tuple[cudaError_t]:
    found = _memory.pop(address_of(address), None) is not None
    return (_SUCCESS if found or address_of(address) == 0 else cudaError_t.cudaErrorInvalidValue,)


cudaFreeHost = cudaFree


def cudaFreeAsync(address: Any, stream: Any) -> tuple[cudaError_t]:
    return cudaFree(address)


def cudaMemcpy(to: Any, source: Any, size: int, kind: Any) -> tuple[cudaError_t]:
    """`to` and `source`: addresses or arrays."""
    ctypes.memmove(address_of(to), address_of(source), int(size))
    return (_SUCCESS,)


def cudaMemcpyAsync(to: Any, source: Any, size: int, kind: Any, stream: Any) -> tuple[cudaError_t]:
    return cudaMemcpy(to, source, size, kind)


def cudaMemset(address: Any, value: int, size: int) -> tuple[cudaError_t]:
    ctypes.memset(address_of(address), value, int(size))
    return (_SUCCESS,)


def cudaStreamCreate() -> tuple[cudaError_t, int]:
    return _SUCCESS, 0


def cudaStreamDestroy(stream: Any) -> tuple[cudaError_t]:
    return (_SUCCESS,)


def cudaStreamSynchronize(stream: Any) -> tuple[cudaError_t]:
    return (_SUCCESS,)


def cudaDeviceSynchronize() -> tuple[cudaError_t]:
    return (_SUCCESS,)


def cudaSetDevice(device: int) -> tuple[cudaError_t]:
    return (_SUCCESS if device == 0 else cudaError_t.cudaErrorInvalidValue,)


def cudaGetErrorString(error: cudaError_t) -> tuple[cudaError_t, bytes]:
    return _SUCCESS, error.name.encode()
