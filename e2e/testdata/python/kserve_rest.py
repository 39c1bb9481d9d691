"""KServe's REST client, with the versions 1 and 2 of its protocol."""
import asyncio

import httpx
import numpy as np
import tensorflow as tf
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from predict import request
from run import PATIENCE, equal

ARRAY = np.linspace(-3, 3, 7, dtype=np.float32)


def client(protocol):
    return InferenceRESTClient(RESTConfig(protocol=protocol, timeout=PATIENCE))


def an_input(binary):
    tensor = InferInput("x", list(ARRAY.shape), "FP32")
    tensor.set_data_from_numpy(ARRAY, binary_data=binary)
    return tensor


def check_inference(server):
    async def ask():
        c = client("v2")
        assert await c.is_server_live(server.rest) and await c.is_server_ready(server.rest)
        assert await c.is_model_ready(server.rest, "half_plus_two")
        want = tf.make_ndarray(server.prediction().Predict(request("half_plus_two", {"x": tf.make_tensor_proto(ARRAY)}), PATIENCE).outputs["y"])
        for binary_in in (True, False):
            for binary_out in (True, False):
                asked = InferRequest("half_plus_two", [an_input(binary_in)], request_id="7", parameters={"binary_data_output": binary_out})
                answer = await c.infer(server.rest, asked, model_name="half_plus_two")
                equal((answer.id, answer.model_name), ("7", "half_plus_two"))  # the client does not keep the version
                equal(answer.outputs[0].as_numpy().astype(np.float32).tobytes(), want.tobytes(), f"binary: {binary_in}, {binary_out}")
        asked = InferRequest("half_plus_two", [an_input(True)], request_outputs=[RequestedOutput("y", parameters={"binary_data": True})])
        answer = await c.infer(server.rest, asked, model_name="half_plus_two")
        equal(answer.outputs[0].as_numpy().tobytes(), want.tobytes(), "a requested output")
        answer = await c.infer(server.rest, {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}, model_name="half_plus_two")
        equal(answer.outputs[0].data, [3.5, 4.0])

    asyncio.run(ask())


def check_errors(server):
    async def ask():
        c = client("v2")
        for model, status, text in (("nope", 404, "unknown model: 'nope'"), ("multi", 400, "unexpected inference input 'x'")):
            try:
                await c.infer(server.rest, InferRequest(model, [an_input(True)]), model_name=model)
            except httpx.HTTPStatusError as error:
                equal(error.response.status_code, status)
                assert text in str(error), error
            else:
                raise AssertionError(f"{model}: answered")

    asyncio.run(ask())


def check_version_1(server):
    async def ask():
        c = client("v1")
        equal(await c.infer(server.rest, {"instances": [1.0, 2.0]}, model_name="half_plus_two"), {"predictions": [3.5, 4.0]})

    asyncio.run(ask())
