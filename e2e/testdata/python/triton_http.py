"""The Open Inference Protocol by REST: every method of Triton's client that has a meaning here. Outputs are those of Predict, bit for bit."""
import asyncio
import base64
import json

import numpy as np
import requests
import tensorflow as tf
import tritonclient.http as triton
import tritonclient.http.aio
from predict import TYPES, request, typed
from run import PATIENCE, equal
from tritonclient.utils import InferenceServerException

DATATYPES = {"float16": "FP16", "bfloat16": "BF16", "object": "BYTES", "float32": "FP32", "float64": "FP64", "bool": "BOOL"}


def client(server):
    return triton.InferenceServerClient(server.rest.removeprefix("http://"), network_timeout=PATIENCE)


def an_input(name, array, binary=True):
    tensor = triton.InferInput(name, list(array.shape), DATATYPES.get(array.dtype.name) or array.dtype.name.upper())
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def predicted(server, model, inputs, signature="", **spec):
    return server.prediction().Predict(request(model, inputs, signature, **spec), PATIENCE).outputs


def refused(call, status, *texts):
    try:
        answer = call()
    except InferenceServerException as error:
        assert error.status() == str(status), f"got {error.status()} {error.message()!r}, want {status}"
        for text in texts:
            assert text in error.message(), f"{text!r} is not in {error.message()!r}"
        return
    raise AssertionError(f"want {status}, got the answer {answer}")


def check_health_and_metadata(server):
    with client(server) as c:
        assert c.is_server_live() and c.is_server_ready()
        for model, version, ready in (("half_plus_two", "", True), ("half_plus_two", "1", True), ("half_plus_two", "9", False), ("nope", "", False)):
            equal(c.is_model_ready(model, version), ready, f"{model} {version}")
        meta = c.get_server_metadata()
        equal(meta["name"], "shoal")
        for extension in ("model_configuration", "statistics", "classification", "binary_tensor_data", "parameters"):
            assert extension in meta["extensions"], meta
        meta = c.get_model_metadata("half_plus_two")
        equal((meta["name"], meta["versions"], meta["platform"]), ("half_plus_two", ["1", "2"], "tensorflow_savedmodel"))
        equal((meta["inputs"], meta["outputs"]), ([{"name": "x", "datatype": "FP32", "shape": [-1]}], [{"name": "y", "datatype": "FP32", "shape": [-1]}]))
        refused(lambda: c.get_model_metadata("nope"), 404, "Request for unknown model: 'nope' is not found")
        refused(lambda: c.get_model_metadata("half_plus_two", "7"), 404, "Request for unknown model: 'half_plus_two' version 7 is not found")


def check_config_index_and_statistics(server):
    with client(server) as c:
        config = c.get_model_config("half_plus_two")
        equal((config["name"], config["platform"], config["backend"]), ("half_plus_two", "tensorflow_savedmodel", "tensorflow"))
        assert config["max_batch_size"] > 0 and "dynamic_batching" in config, config
        equal(config["input"], [{"name": "x", "data_type": "TYPE_FP32", "dims": []}])
        index = [(e["name"], e["version"], e["state"]) for e in c.get_model_repository_index() if e["name"] == "half_plus_two"]
        equal(index, [("half_plus_two", "1", "READY"), ("half_plus_two", "2", "READY")])

        def statistics():
            (one,) = c.get_inference_statistics("half_plus_two", "1")["model_stats"]
            return one

        before = statistics()
        for _ in range(3):
            c.infer("half_plus_two", [an_input("x", np.ones(5, np.float32))], "1")
        after = statistics()
        equal(after["inference_count"] - before["inference_count"], 15, "rows")
        equal(after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"], 3, "requests")
        assert after["inference_stats"]["compute_input"]["ns"] > 0 and after["execution_count"] > before["execution_count"], after
        names = {s["name"] for s in c.get_inference_statistics()["model_stats"]}
        assert {"half_plus_two", "identity", "multi"} <= names, names


def check_repository_is_fixed(server):
    with client(server) as c:
        refused(lambda: c.load_model("half_plus_two"), 503, "explicit model load / unload is not allowed")
        refused(lambda: c.unload_model("half_plus_two"), 503, "explicit model load / unload is not allowed")
        refused(c.get_system_shared_memory_status, 404)


def check_settings(server):
    with client(server) as c:
        for model in (None, "half_plus_two"):
            equal(c.get_trace_settings(model)["trace_level"], ["OFF"])
        refused(lambda: c.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}), 503, "OTEL_")
        equal(c.get_log_settings()["log_info"], True)
        equal(c.update_log_settings({"log_verbose_level": 1})["log_verbose_level"], 1)
        equal(c.update_log_settings({"log_verbose_level": 0})["log_verbose_level"], 0)


def check_every_type(server):
    """Binary and JSON inputs, binary and JSON outputs."""
    with client(server) as c:
        for dtype, (values, field) in TYPES.items():
            array = np.array(values).astype(dtype.as_numpy_dtype).reshape(2, 2)
            want = tf.make_ndarray(predicted(server, "identity", {"x": typed(array, dtype, field)}, dtype.name)["y"]).tobytes()
            for binary_in in (True, False):
                if not binary_in and dtype.name in ("float16", "bfloat16"):
                    continue  # the client refuses that itself
                for binary_out in (True, False):
                    got = c.infer("identity", [an_input("x", array, binary_in)], parameters={"signature_name": dtype.name},
                                  outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)])
                    output = got.as_numpy("y")
                    if dtype.name == "bfloat16" and binary_out:  # the client makes float32 of it
                        output = output.astype(dtype.as_numpy_dtype)
                    if dtype.name in ("float16", "bfloat16") and not binary_out:
                        output = np.array(got.get_output("y")["data"], np.float32).astype(dtype.as_numpy_dtype)
                    equal(output.tobytes(), want, f"{dtype.name}, binary: {binary_in} in, {binary_out} out")


def check_half_floats_as_json(server):
    for signature, datatype, dtype in (("float16", "FP16", np.float16), ("bfloat16", "BF16", tf.bfloat16.as_numpy_dtype)):
        answer = requests.post(f"{server.rest}/v2/models/identity/infer", timeout=PATIENCE, json={
            "parameters": {"signature_name": signature}, "inputs": [{"name": "x", "shape": [3], "datatype": datatype, "data": [0.1, -2, 3.25]}]}).json()
        want = np.array([0.1, -2, 3.25]).astype(dtype).astype(np.float32).tolist()
        (output,) = answer["outputs"]
        equal((output["datatype"], np.array(output["data"], np.float32).tolist()), (datatype, want))


def check_strings(server):
    array = np.array([b"a", b"", b"\xff\x00x" * 100, "é".encode()], np.object_).reshape(2, 2)
    with client(server) as c:
        got = c.infer("identity", [an_input("x", array)], parameters={"signature_name": "string"}).as_numpy("y")
        assert (got == array).all(), got
        text = np.array(["a", "é\n\""], np.object_)
        got = c.infer("identity", [an_input("x", text, False)], parameters={"signature_name": "string"},
                      outputs=[triton.InferRequestedOutput("y", binary_data=False)])
        equal(got.get_output("y")["data"], ["a", "é\n\""])
        refused(lambda: c.infer("identity", [an_input("x", array)], parameters={"signature_name": "string"},
                                outputs=[triton.InferRequestedOutput("y", binary_data=False)]), 400, "UTF-8")
    encoded = base64.b64encode(b"\xff\x00").decode()
    answer = requests.post(f"{server.rest}/v2/models/identity/infer", timeout=PATIENCE, json={
        "parameters": {"signature_name": "string"}, "outputs": [{"name": "y", "parameters": {"content_type": "base64"}}],
        "inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"content_type": "base64"}, "data": [encoded]}]}).json()
    equal(answer["outputs"][0]["data"], [encoded])


def check_predictions(server):
    array = np.linspace(-3, 3, 7, dtype=np.float32)
    want = tf.make_ndarray(predicted(server, "half_plus_two", {"x": tf.make_tensor_proto(array)}, version=1)["y"]).tobytes()
    predictions = requests.post(f"{server.rest}/v1/models/half_plus_two/versions/1:predict", timeout=PATIENCE,
                                json={"instances": [float(v) for v in array]}).json()["predictions"]
    equal(np.array(predictions, np.float32).tobytes(), want)
    with client(server) as c:
        for version in ("1", "stable"):
            got = c.infer("half_plus_two", [an_input("x", array)], version, request_id="r1")
            equal(got.as_numpy("y").tobytes(), want, version)
            equal((got.get_response()["model_version"], got.get_response()["id"]), ("1", "r1"))
        newest = c.infer("half_plus_two", [an_input("x", array)], parameters={"version_label": "canary"})
        equal(newest.get_response()["model_version"], "2")
        large = np.linspace(-1, 1, 200_000, dtype=np.float32)
        plain = c.infer("half_plus_two", [an_input("x", large)], "1").as_numpy("y")
        for algorithm in ("gzip", "deflate"):
            got = c.infer("half_plus_two", [an_input("x", large)], "1", request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
            equal(got.as_numpy("y").tobytes(), plain.tobytes(), algorithm)
            got = c.infer("half_plus_two", [an_input("x", large[:2000], False)], "1", outputs=[triton.InferRequestedOutput("y", binary_data=False)],
                          request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
            equal(got.as_numpy("y").tobytes(), plain[:2000].tobytes(), algorithm + " of JSON")
        c.infer("half_plus_two", [an_input("x", array)], priority=1, timeout=60_000_000, sequence_id=7, sequence_start=True, headers={"X-Request-Id": "a"},
                query_params={"q": 1})
        assert c.async_infer("half_plus_two", [an_input("x", array)], "1").get_result(timeout=PATIENCE).as_numpy("y").tobytes() == want
        body, length = c.generate_request_body([an_input("x", array)])
        sent = requests.post(f"{server.rest}/v2/models/half_plus_two/versions/1/infer", body, timeout=PATIENCE, headers={"Inference-Header-Content-Length": str(length)})
        got = c.parse_response_body(sent.content, header_length=int(sent.headers["Inference-Header-Content-Length"]))
        equal(got.as_numpy("y").tobytes(), want, "a body made and read by the client")


def check_a_request_without_json(server):
    array = np.linspace(-3, 3, 7, dtype=np.float32)
    answer = requests.post(f"{server.rest}/v2/models/half_plus_two/versions/1/infer", array.tobytes(), timeout=PATIENCE,
                           headers={"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
    head = int(answer.headers["Inference-Header-Content-Length"])
    equal(json.loads(answer.content[:head])["outputs"][0]["shape"], [7])
    want = tf.make_ndarray(predicted(server, "half_plus_two", {"x": tf.make_tensor_proto(array)}, version=1)["y"])
    equal(answer.content[head:], want.tobytes())


def check_outputs_and_classification(server):
    inputs = {"a": np.array([[1, 5], [2, 3]], np.float32), "b": np.array([3, 4], np.int64), "s": np.array([b"x", b"y"], np.object_)}
    want = predicted(server, "multi", {k: tf.make_tensor_proto(v) for k, v in inputs.items()})
    with client(server) as c:
        everything = c.infer("multi", [an_input(k, v, k != "b") for k, v in inputs.items()])  # binary and JSON in one request
        for name, tensor in want.items():
            equal(everything.as_numpy(name).tolist(), tf.make_ndarray(tensor).tolist(), name)
        some = c.infer("multi", [an_input(k, v) for k, v in inputs.items()],
                       outputs=[triton.InferRequestedOutput("b2", binary_data=False), triton.InferRequestedOutput("sum")])
        equal([o["name"] for o in some.get_response()["outputs"]], ["b2", "sum"])
        equal((some.as_numpy("b2").tolist(), some.as_numpy("sum").tobytes()), ([6, 8], tf.make_ndarray(want["sum"]).tobytes()))
        for binary in (True, False):
            top = c.infer("identity", [an_input("x", np.array([[1, 5, -2], [9, 8, 7]], np.float32))], parameters={"signature_name": "float32"},
                          outputs=[triton.InferRequestedOutput("y", class_count=2, binary_data=binary)]).as_numpy("y")
            found = [v.decode() if binary else v for v in top.flatten()]
            assert found in (["9.000000:3", "8.000000:4"], ["5.000000:1", "1.000000:0", "9.000000:0", "8.000000:1"]), top


def check_errors(server):
    array = np.ones(2, np.float32)
    with client(server) as c:
        refused(lambda: c.infer("nope", [an_input("x", array)]), 404, "Request for unknown model: 'nope' is not found")
        refused(lambda: c.infer("half_plus_two", [an_input("z", array)]), 400, "unexpected inference input 'z' for model 'half_plus_two'")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array.astype(np.int32))]), 400, "data-type is 'INT32'")
        refused(lambda: c.infer("half_plus_two", []), 400, "missing required input(s) ['x']")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array)], outputs=[triton.InferRequestedOutput("z")]), 400,
                "unexpected inference output 'z' for model 'half_plus_two'")
        refused(lambda: c.infer("fail_on_negative", [an_input("x", np.array([-1], np.float32))]), 400)
        refused(lambda: c.infer("half_plus_two", [an_input("x", array)], parameters={"signature_name": "nope"}), 400, "has no signature")
        refused(lambda: c.infer("fixed", [an_input("x", np.ones((1, 4), np.float32))]), 400)


def check_asyncio(server):
    async def ask():
        array = np.arange(3, dtype=np.float32)
        async with tritonclient.http.aio.InferenceServerClient(server.rest.removeprefix("http://")) as c:
            assert await c.is_server_live() and await c.is_model_ready("half_plus_two")
            assert (await c.get_model_config("half_plus_two"))["max_batch_size"] > 0
            answers = await asyncio.gather(*[c.infer("half_plus_two", [an_input("x", array)], "1") for _ in range(20)])
            for answer in answers:
                equal(answer.as_numpy("y").tolist(), [2.0, 2.5, 3.0])

    asyncio.run(ask())
