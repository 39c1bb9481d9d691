"""The Open Inference Protocol by gRPC: KServe's client. Outputs are those of Predict, bit for bit."""
import asyncio

import grpc
import numpy as np
import tensorflow as tf
from kserve import InferenceGRPCClient, InferInput, InferRequest
from predict import request
from run import PATIENCE, equal


def check_inference(server):
    array = np.linspace(-3, 3, 6, dtype=np.float32)
    want = tf.make_ndarray(server.prediction().Predict(request("half_plus_two", {"x": tf.make_tensor_proto(array)}, version=1), PATIENCE).outputs["y"])

    async def run():
        async with InferenceGRPCClient(server.grpc) as c:
            assert await c.is_server_live() and await c.is_server_ready()
            assert await c.is_model_ready("half_plus_two")
            assert not await c.is_model_ready("nope")
            for binary in (True, False):
                sent = InferInput("x", list(array.shape), "FP32")
                sent.set_data_from_numpy(array, binary_data=binary)
                got = await c.infer(InferRequest(model_name="half_plus_two", infer_inputs=[sent], request_id="r", model_version="1"), timeout=PATIENCE)
                equal((got.model_name, got.model_version, got.id), ("half_plus_two", "1", "r"))
                out = got.outputs[0].as_numpy()
                equal((out.dtype, out.tobytes()), (np.float32, want.tobytes()), f"binary: {binary}")
            try:
                await c.infer(InferRequest(model_name="nope", infer_inputs=[sent]), timeout=PATIENCE)
                raise AssertionError("a model that does not exist answers")
            except grpc.RpcError as error:
                equal(error.code(), grpc.StatusCode.NOT_FOUND)
    asyncio.run(run())
