#!/usr/bin/env bash
# Triton Inference Server 2.51.0 (the binary in nvidia-pytriton 0.7.0), response cache "local", a Python model with outputs A and B:
#
# 1. The cache's key leaves out which outputs a request asks for. A request for B alone, with inputs whose answer for A is in the cache, gets A.
# 2. An error that a model returns as its response (InferenceResponse with a TritonError) is kept too. The first request gets the error;
#    the same request again gets status 200 without any output.
#
# One would expect the outputs that were asked for, and the error again. Whoever turns the cache on for a model that may fail tells its clients
# of success.
# Output seen:   asked for A: ['A']; asked for B: ['A']
#                first: 400 or 500 with the error; again: 200, outputs []
# Fails if that changes. Needs x86-64, Python 3.11, about 400 MB and a minute.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check nvidia-pytriton==0.7.0 'tritonclient[grpc]==2.73.0' numpy==1.26.4
export PATH="$folder/venv/bin:$PATH"
root=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/pytriton/tritonserver
cp "$root/python_backend_stubs/3.11/triton_python_backend_stub" "$root/backends/python/"
mkdir -p "$folder/models/two/1"
cat > "$folder/models/two/config.pbtxt" <<'CONFIG'
backend: "python"
max_batch_size: 0
input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "A" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "B" data_type: TYPE_FP32 dims: [ 1 ] }
response_cache { enable: true }
CONFIG
cat > "$folder/models/two/1/model.py" <<'MODEL'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            if x[0] < 0:
                answers.append(pb_utils.InferenceResponse([], error=pb_utils.TritonError("x is negative")))
                continue
            wanted = request.requested_output_names()
            made = {"A": x + 1, "B": x + 2}
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor(n, made[n]) for n in ("A", "B") if n in wanted]))
        return answers
MODEL
port=14310
"$root/bin/tritonserver" --model-repository="$folder/models" --backend-directory="$root/backends" --cache-directory="$root/caches" \
  --http-address=127.0.0.1 --http-port=$port --allow-grpc=false --allow-metrics=false --cache-config=local,size=1048576 \
  > "$folder/log" 2>&1 &
server=$!
python - $port <<'PYTHON'
import json
import sys
import time
import urllib.error
import urllib.request

base = f"http://127.0.0.1:{sys.argv[1]}/v2"


def call(path, body=None):
    request = urllib.request.Request(base + path, None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


for _ in range(120):
    if call("/health/ready")[0] == 200:
        break
    time.sleep(0.5)
else:
    raise SystemExit("the server did not become ready in a minute")


def ask(x, *outputs):
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [x]}], "outputs": [{"name": n} for n in outputs]}
    status, answer = call("/models/two/infer", body)
    return status, [o["name"] for o in answer.get("outputs", [])], answer.get("error", "")


first, second = ask(1.0, "A"), ask(1.0, "B")
print("asked for A:", first, "asked for B:", second)
failed, again = ask(-1.0, "A"), ask(-1.0, "A")
print("first:", failed, "again:", again)
assert first[:2] == (200, ["A"]) and failed[0] >= 400, "the model does not do what this script expects"
assert second[1] == ["A"], "the behaviour has changed: a request for B no longer gets A"
assert again[0] == 200 and again[1] == [], "the behaviour has changed: the error is no longer kept as a success"
PYTHON
