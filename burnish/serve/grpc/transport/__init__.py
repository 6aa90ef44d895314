"""gRPC over HTTP/2 on an asyncio loop: bytes to calls, answers to bytes. It knows nothing of models."""
