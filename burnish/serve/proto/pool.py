"""A descriptor pool of our own.

Protobuf's default pool takes each file name and each message name once. tritonclient brings the same names, as do
other libraries for gRPC's health check, and all must live in one process. Neither bytes nor paths depend on a pool.
"""

from __future__ import annotations

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
