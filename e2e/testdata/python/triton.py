"""The Open Inference Protocol by gRPC: every method of Triton's client. Outputs are those of Predict, bit for bit."""
import asyncio
import queue

import numpy as np
import tensorflow as tf
import tritonclient.grpc as triton
import tritonclient.grpc.aio
from predict import TYPES, request, typed
from run import PATIENCE, equal
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

DATATYPES = {"float16": "FP16", "bfloat16": "BF16", "object": "BYTES", "float32": "FP32", "float64": "FP64", "bool": "BOOL"}

MULTI = {"a": np.array([[1, 5]], np.float32), "b": np.array([3], np.int64), "s": np.array([b"x"], np.object_)}


def client(server):
    return triton.InferenceServerClient(server.grpc)


def an_input(name, array, datatype=None):
    tensor = triton.InferInput(name, list(array.shape), datatype or DATATYPES.get(array.dtype.name) or array.dtype.name.upper())
    tensor.set_data_from_numpy(array)
    return tensor


def predicted(server, model, inputs, signature="", **spec):
    return server.prediction().Predict(request(model, inputs, signature, **spec), PATIENCE).outputs


def refused(call, code, *texts):
    try:
        answer = call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", f"got {error.status()} {error.message()!r}, want {code}"
        for text in texts:
            assert text in error.message(), f"{text!r} is not in {error.message()!r}"
        return
    raise AssertionError(f"want {code}, got the answer {answer}")


def check_health_and_metadata(server):
    with client(server) as c:
        assert c.is_server_live() and c.is_server_ready()
        for model, version, ready in (("half_plus_two", "", True), ("half_plus_two", "1", True), ("half_plus_two", "9", False), ("nope", "", False)):
            equal(c.is_model_ready(model, version), ready, f"{model} {version}")
        meta = c.get_server_metadata(as_json=True)
        equal(meta["name"], "shoal")
        for extension in ("model_configuration", "statistics", "classification", "schedule_policy", "model_repository", "logging"):
            assert extension in meta["extensions"], meta
        equal(c.get_model_metadata("half_plus_two", as_json=True), {
            "name": "half_plus_two", "versions": ["1", "2"], "platform": "tensorflow_savedmodel",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": ["-1"]}], "outputs": [{"name": "y", "datatype": "FP32", "shape": ["-1"]}],
        } | {k: v for k, v in c.get_model_metadata("half_plus_two", as_json=True).items() if k == "properties"})
        refused(lambda: c.get_model_metadata("nope"), "NOT_FOUND", "Request for unknown model: 'nope' is not found")
        refused(lambda: c.get_model_config("half_plus_two", "7"), "NOT_FOUND", "Request for unknown model: 'half_plus_two' version 7 is not found")


def check_config(server):
    with client(server) as c:
        config = c.get_model_config("half_plus_two").config
        equal((config.name, config.platform, config.backend), ("half_plus_two", "tensorflow_savedmodel", "tensorflow"))
        assert config.max_batch_size > 0 and config.HasField("dynamic_batching"), config
        equal([(i.name, i.data_type, list(i.dims)) for i in config.input], [("x", 11, [])])
        assert config.instance_group[0].count > 0 and config.instance_group[0].kind == 2, config
        assert config.version_policy.HasField("all"), config
        config = c.get_model_config("nonbatch").config
        equal((config.max_batch_size, config.HasField("dynamic_batching")), (0, False), "a model that is not batched")


def check_every_type(server):
    with client(server) as c:
        for dtype, (values, field) in TYPES.items():
            array = np.array(values).astype(dtype.as_numpy_dtype).reshape(2, 2)
            want = predicted(server, "identity", {"x": typed(array, dtype, field)}, dtype.name)["y"]
            got = c.infer("identity", [an_input("x", array)], parameters={"signature_name": dtype.name})
            equal(bytes(got.get_response().raw_output_contents[0]), tf.make_ndarray(want).tobytes(), dtype.name)
            out = got.as_numpy("y")
            assert out.dtype == array.dtype and out.tobytes() == array.tobytes(), f"{dtype.name}: {out!r}"


def check_typed_contents(server):
    """Contents in the fields of their types are answered in kind."""
    fields = {"bool": "bool", "int8": "int", "int16": "int", "int32": "int", "int64": "int64", "uint8": "uint", "uint16": "uint",
              "uint32": "uint", "uint64": "uint64", "float32": "fp32", "float64": "fp64"}
    stub = triton.service_pb2_grpc.GRPCInferenceServiceStub(server.channel())
    for dtype, (values, field) in TYPES.items():
        if dtype.name not in fields:
            continue
        array = np.array(values).astype(dtype.as_numpy_dtype).reshape(2, 2)
        r = service_pb2.ModelInferRequest(model_name="identity", id="a")
        r.parameters["signature_name"].string_param = dtype.name
        r.inputs.add(name="x", shape=array.shape, datatype=DATATYPES.get(dtype.name, dtype.name.upper()))
        getattr(r.inputs[0].contents, fields[dtype.name] + "_contents").extend(array.flatten().tolist())
        answer = stub.ModelInfer(r, timeout=PATIENCE)
        out = getattr(answer.outputs[0].contents, fields[dtype.name] + "_contents")
        want = tf.make_ndarray(predicted(server, "identity", {"x": typed(array, dtype, field)}, dtype.name)["y"])
        equal(np.array(out, array.dtype).tobytes(), want.tobytes(), dtype.name)
        equal((answer.id, list(answer.outputs[0].shape), len(answer.raw_output_contents)), ("a", [2, 2], 0), dtype.name)


def check_strings(server):
    array = np.array([b"a", b"", b"\xff\x00x" * 100, "é".encode()], np.object_).reshape(2, 2)
    sent = triton.InferInput("x", [2, 2], "BYTES")
    sent.set_data_from_numpy(array)
    with client(server) as c:
        got = c.infer("identity", [sent], parameters={"signature_name": "string"}).as_numpy("y")
        assert (got == array).all(), got


def check_predictions(server):
    array = np.linspace(-3, 3, 7, dtype=np.float32)
    want = tf.make_ndarray(predicted(server, "half_plus_two", {"x": tf.make_tensor_proto(array)}, version=1)["y"])
    with client(server) as c:
        for version in ("1", "stable"):
            got = c.infer("half_plus_two", [an_input("x", array)], version, request_id="r1")
            equal(got.as_numpy("y").tobytes(), want.tobytes(), version)
            equal((got.get_response().model_version, got.get_response().id), ("1", "r1"))
        newest = c.infer("half_plus_two", [an_input("x", array)], parameters={"version_label": "canary"})
        equal(newest.get_response().model_version, "2")
        for algorithm in ("gzip", "deflate"):
            got = c.infer("half_plus_two", [an_input("x", array)], "1", compression_algorithm=algorithm)
            equal(got.as_numpy("y").tobytes(), want.tobytes(), algorithm)
        c.infer("half_plus_two", [an_input("x", array)], priority=1, timeout=60_000_000, client_timeout=PATIENCE, sequence_id=7, sequence_start=True)


def check_outputs_and_classification(server):
    with client(server) as c:
        meta = c.get_model_metadata("multi")
        inputs = [an_input(i.name, MULTI[i.name]) for i in meta.inputs]
        everything = c.infer("multi", inputs)
        name = meta.outputs[-1].name
        one = c.infer("multi", inputs, outputs=[triton.InferRequestedOutput(name)])
        equal([o.name for o in one.get_response().outputs], [name])
        equal(one.as_numpy(name).tobytes(), everything.as_numpy(name).tobytes())
        top = c.infer("identity", [an_input("x", np.array([[1, 5, -2], [9, 8, 7]], np.float32))], parameters={"signature_name": "float32"},
                      outputs=[triton.InferRequestedOutput("y", class_count=2)]).as_numpy("y")
        assert top.flatten()[0] in (b"5.000000:1", b"9.000000:3"), top


def check_errors(server):
    array = np.ones(2, np.float32)
    with client(server) as c:
        refused(lambda: c.infer("nope", [an_input("x", array)]), "NOT_FOUND", "Request for unknown model: 'nope' is not found")
        refused(lambda: c.infer("half_plus_two", [an_input("z", array)]), "INVALID_ARGUMENT", "unexpected inference input 'z' for model 'half_plus_two'")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array.astype(np.int32))]), "INVALID_ARGUMENT", "data-type is 'INT32'")
        refused(lambda: c.infer("half_plus_two", []), "INVALID_ARGUMENT", "missing required input(s) ['x']")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array)], outputs=[triton.InferRequestedOutput("z")]), "INVALID_ARGUMENT",
                "unexpected inference output 'z' for model 'half_plus_two'")
        negative = an_input("x", np.array([-1], np.float32))
        refused(lambda: c.infer("fail_on_negative", [negative]), "INVALID_ARGUMENT")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array)], parameters={"signature_name": "nope"}), "INVALID_ARGUMENT", "has no signature")


def check_async_and_streams(server):
    array = np.arange(3, dtype=np.float32)
    answers = queue.Queue()
    with client(server) as c:
        want = c.infer("half_plus_two", [an_input("x", array)]).as_numpy("y")
        c.async_infer("half_plus_two", [an_input("x", array)], callback=lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=PATIENCE)
        assert error is None and (result.as_numpy("y") == want).all(), error
        c.start_stream(callback=lambda result, error: answers.put((result, error)))
        for i in range(50):
            c.async_stream_infer("nope" if i == 7 else "half_plus_two", [an_input("x", array)], request_id=str(i), enable_empty_final_response=i == 3)
        for i in range(50):
            result, error = answers.get(timeout=PATIENCE)
            if i == 7:
                assert "Request for unknown model" in error.message(), error
                continue
            assert error is None, error
            equal(result.get_response().id, str(i))
            assert (result.as_numpy("y") == want).all(), result.as_numpy("y")
            equal(result.get_response().parameters["triton_final_response"].bool_param, i == 3)
        c.stop_stream()


def check_asyncio(server):
    async def run():
        array = np.arange(3, dtype=np.float32)
        async with tritonclient.grpc.aio.InferenceServerClient(server.grpc) as c:
            assert await c.is_server_live()
            got = await c.infer("half_plus_two", [an_input("x", array)], "1")
            equal(got.as_numpy("y").tolist(), [2, 2.5, 3])

            async def requests():
                for _ in range(3):
                    yield {"model_name": "half_plus_two", "inputs": [an_input("x", array)], "model_version": "1"}
            count = 0
            async for result, error in c.stream_infer(requests()):
                assert error is None, error
                equal(result.as_numpy("y").tolist(), [2, 2.5, 3])
                count += 1
                if count == 3:
                    break
    asyncio.run(run())


def check_statistics(server):
    array = np.arange(1, dtype=np.float32)
    with client(server) as c:
        def read():
            return c.get_inference_statistics("half_plus_two", "2").model_stats[0]
        before = read()
        for _ in range(5):
            c.infer("half_plus_two", [an_input("x", array)], "2")
        refused(lambda: c.infer("half_plus_two", [an_input("x", array)], "2", outputs=[triton.InferRequestedOutput("z")]), "INVALID_ARGUMENT")
        predicted(server, "half_plus_two", {"x": tf.make_tensor_proto(array)}, version=2)  # another API counts too
        after = read()
        equal((after.name, after.version), ("half_plus_two", "2"))
        equal(after.inference_count - before.inference_count, 6, "rows")
        equal(after.execution_count - before.execution_count, 6, "batches")
        s, t = after.inference_stats, before.inference_stats
        for name, want in (("success", 6), ("fail", 1), ("queue", 6), ("compute_input", 6), ("compute_infer", 6), ("compute_output", 6), ("cache_hit", 0)):
            equal(getattr(s, name).count - getattr(t, name).count, want, name)
        assert s.success.ns - t.success.ns >= s.compute_infer.ns - t.compute_infer.ns > 0, s
        sizes = {b.batch_size: b.compute_infer.count for b in after.batch_stats}
        assert sizes[1] >= 6, sizes
        assert after.last_inference > before.last_inference, after
        assert len(c.get_inference_statistics().model_stats) > 2
        refused(lambda: c.get_inference_statistics("nope"), "NOT_FOUND")


def check_repository(server):
    with client(server) as c:
        index = c.get_model_repository_index()
        entries = {(m.name, m.version): m.state for m in index.models}
        equal((entries["half_plus_two", "1"], entries["half_plus_two", "2"]), ("READY", "READY"))
        for call in (lambda: c.load_model("half_plus_two"), lambda: c.unload_model("half_plus_two")):
            refused(call, "UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled")


def check_settings(server):
    with client(server) as c:
        was = c.get_log_settings(as_json=True)["settings"]
        equal(was["log_info"], {"bool_param": True})
        try:
            quiet = c.update_log_settings({"log_info": False}, as_json=True)["settings"]
            equal((quiet["log_info"], quiet["log_warning"]), ({"bool_param": False}, {"bool_param": True}))
            equal(c.get_log_settings(as_json=True)["settings"], quiet)
        finally:
            equal(c.update_log_settings({"log_info": True}, as_json=True)["settings"], was)
        refused(lambda: c.update_log_settings({"log_file": "/tmp/x"}), "UNAVAILABLE", "log file location can not be updated")
        equal(c.get_trace_settings(as_json=True)["settings"]["trace_level"], {"value": ["OFF"]})
        refused(lambda: c.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}), "UNAVAILABLE", "OTEL_")


def check_shared_memory(server):
    with client(server) as c:
        for call in (c.get_system_shared_memory_status, lambda: c.register_system_shared_memory("r", "/k", 4), c.unregister_system_shared_memory,
                     c.get_cuda_shared_memory_status, lambda: c.register_cuda_shared_memory("r", b"aGFuZGxl", 0, 4), c.unregister_cuda_shared_memory):
            refused(call, "UNIMPLEMENTED", "shared memory is not supported")
