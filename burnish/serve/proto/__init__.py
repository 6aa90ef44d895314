"""Triton's messages and those of gRPC's health check: .proto files and what protoc makes of them."""
