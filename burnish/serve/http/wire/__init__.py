"""Bytes to requests and answers to bytes: connections, ports, limits, compression. Knows nothing of models."""
