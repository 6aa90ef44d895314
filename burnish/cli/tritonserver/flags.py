"""All flags of tritonserver 2.51 with their effect in `burnish tritonserver`, and two of later releases.

    VALUES    has an effect here; the meaning is Triton's
    NOTED     accepted with a note that says why nothing changes
    SWITCHED  true is refused with what to use instead; false is what is so anyway
    REFUSED   stops with an error that says what to use instead

Source: the names that `tritonserver --help` of 2.51 prints; the texts are ours.
"""

from __future__ import annotations

VALUES: dict[str, str] = {
    "help": "Print this help",
    "id": "Name of the server in its metadata (default triton)",
    "model-repository": "Model repository; repeatable",
    "model-store": "The same",
    "model-control-mode": "none (default), poll or explicit",
    "load-model": "With explicit control: load this model at the start, or all with *; repeatable",
    "repository-poll-secs": "With poll: seconds between looks at the repositories (default 15)",
    "exit-on-error": "End if a model cannot be loaded at the start (default true)",
    "strict-readiness": "Ready only if no model has failed to load (default true)",
    "disable-auto-complete-config": "Models need a complete config.pbtxt",
    "strict-model-config": "The same as a value, true or false; deprecated",
    "model-config-name": "Read configs/NAME.pbtxt of a model in place of its config.pbtxt, where there is one",
    "model-load-retry-count": "How often a load that failed at the start is tried again (default 0)",
    "exit-timeout-secs": "How long requests may still take after SIGTERM (default 30)",
    "allow-http": "Serve HTTP (default true)",
    "http-address": "Address for HTTP (default 0.0.0.0)",
    "http-port": "Port for HTTP (default 8000)",
    "reuse-http-port": "Other servers may listen on the same port",
    "http-restricted-api": "APIS:KEY=VALUE: refuse these, separated by commas, without the header KEY: VALUE",
    "http-header-forward-pattern": "Headers whose name has this regular expression become parameters of the request",
    "http-max-input-size": "Largest body of a request in bytes; of later Tritons",
    "allow-grpc": "Serve gRPC (default true)",
    "grpc-address": "Address for gRPC (default 0.0.0.0)",
    "grpc-port": "Port for gRPC (default 8001)",
    "reuse-grpc-port": "Other servers may listen on the same port",
    "grpc-header-forward-pattern": "As --http-header-forward-pattern, of a call's metadata",
    "grpc-restricted-protocol": "As --http-restricted-api, with the metadata triton-grpc-protocol-KEY",
    "grpc-use-ssl": "Serve gRPC over TLS",
    "grpc-use-ssl-mutual": "Clients must show a certificate that --grpc-root-cert has signed",
    "grpc-server-cert": "Certificate of the server (PEM)",
    "grpc-server-key": "Its key (PEM)",
    "grpc-root-cert": "Authority of clients' certificates (PEM)",
    "grpc-infer-response-compression-level": "none (default), low, medium or high: gzip, for clients that take it",
    "allow-metrics": "Serve metrics (default true)",
    "metrics-address": "Address for metrics (default: that for HTTP)",
    "metrics-port": "Port for metrics (default 8002)",
    "cache-config": "local,size=BYTES: a response cache",
    "response-cache-byte-size": "The same, the size alone; deprecated",
    "rate-limit": "off (default) or execution_count",
    "rate-limit-resource": "NAME:COUNT or NAME:COUNT:DEVICE: how many there are; repeatable",
    "log-verbose": "Level of detail; 0 (default) is none",
    "log-info": "Log messages of this level (default true)",
    "log-warning": "Log messages of this level (default true)",
    "log-error": "Log messages of this level (default true)",
    "log-format": "default or ISO8601",
    "log-file": "Log into this file (default: stderr)",
    "trace-config": "level=, rate=, count=, mode=, triton,file=, opentelemetry,url=, ...; repeatable",
    "trace-level": "OFF, TIMESTAMPS or TENSORS; repeatable; deprecated",
    "trace-rate": "One of so many requests is traced (default 1000); deprecated",
    "trace-count": "So many traces are taken, -1 for no end; deprecated",
    "trace-file": "Where traces are written; deprecated",
    "trace-log-frequency": "Traces in a file before the next one is begun, 0 for one file; deprecated",
}
SWITCHES = frozenset({"help", "disable-auto-complete-config"})  # the only ones that take no value
BOOLEANS = frozenset({
    "exit-on-error", "strict-readiness", "strict-model-config", "allow-http", "reuse-http-port", "allow-grpc",
    "reuse-grpc-port", "grpc-use-ssl", "grpc-use-ssl-mutual", "allow-metrics", "log-info", "log-warning", "log-error",
})  # fmt: skip
_GPU = "memory of a GPU is a plan's own, sized when it is loaded"
_BUILT_IN = "backends, caches and agents are built in"
_LOOP = "one event loop serves all connections"
_PINGS = "how connections are kept alive is fixed here: clients may ping as often as they like"
_PAGE = "metrics are read when they are asked for"
NOTED: dict[str, str] = {
    **dict.fromkeys(("pinned-memory-pool-byte-size", "cuda-memory-pool-byte-size", "cuda-virtual-address-size"), _GPU),
    **dict.fromkeys(("enable-peer-access", "buffer-manager-thread-count"), _GPU),
    "min-supported-compute-capability": "a plan says itself which GPUs it runs on",
    **dict.fromkeys(("backend-directory", "cache-directory", "repoagent-directory"), _BUILT_IN),
    "backend-config": "write what a model needs into its config.pbtxt",
    "host-policy": "start the server with taskset or numactl",
    "model-load-thread-count": "models load at the same time, as many as there are",
    **dict.fromkeys(("http-thread-count", "grpc-infer-allocation-pool-size"), _LOOP),
    **dict.fromkeys(("grpc-keepalive-time", "grpc-keepalive-timeout", "grpc-keepalive-permit-without-calls"), _PINGS),
    **dict.fromkeys(("grpc-http2-max-pings-without-data", "grpc-http2-max-ping-strikes"), _PINGS),
    "grpc-http2-min-recv-ping-interval-without-data": _PINGS,
    **dict.fromkeys(("grpc-max-connection-age", "grpc-max-connection-age-grace"), "a connection may last for ever"),
    **dict.fromkeys(("allow-gpu-metrics", "allow-cpu-metrics", "metrics-interval-ms"), _PAGE),
    "metrics-config": "each latency has a histogram and a counter",
}
_SAGEMAKER = "use the HTTP port: /v2/models/NAME/infer is what /invocations stands for"
_VERTEX = "use the HTTP port: /v2/models/NAME/infer is what the prediction route stands for"
SWITCHED: dict[str, str] = {
    "allow-sagemaker": _SAGEMAKER,
    "allow-vertex-ai": _VERTEX,
    "model-namespacing": "give models of several repositories names of their own",
}
REFUSED: dict[str, str] = {
    **dict.fromkeys(("sagemaker-port", "sagemaker-safe-port-range", "sagemaker-thread-count"), _SAGEMAKER),
    **dict.fromkeys(("vertex-ai-port", "vertex-ai-thread-count", "vertex-ai-default-model"), _VERTEX),
    "model-load-gpu-limit": "use burnish serve --memory-gb, a budget for all models",
    "allow-poll-model-repository": "use --model-control-mode=poll",
    "allow-model-control": "use --model-control-mode=explicit",
}
KNOWN = frozenset({*VALUES, *NOTED, *SWITCHED, *REFUSED})
