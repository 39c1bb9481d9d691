"""Keys, as the published clients send them: metadata of a call, a header of a request. The values: grpc and rest, the API's
addresses; admin and admin_rest, the administration's; predict_key, admin_key and wrong_key; root, the models' directory."""
import json
import urllib.error
import urllib.request

import grpc
import tensorflow as tf
from google.protobuf import text_format
from predict import floats, request
from run import PATIENCE, equal, refused
from tensorflow_serving.apis import model_management_pb2

StatusCode = grpc.StatusCode


def bearer(key):
    return [("authorization", f"Bearer {key}")] if key else None


def predict(server, key, address=None):
    stub = server.prediction(server.channel(address))
    answer = stub.Predict(request("half_plus_two", {"x": floats(1)}), PATIENCE, metadata=bearer(key))
    return tf.make_ndarray(answer.outputs["y"]).tolist()


def reload(server, key, address):
    r = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(f'name: "half_plus_two" base_path: "{server.root}/half_plus_two" model_platform: "tensorflow"',
                      r.config.model_config_list.config.add())
    return server.models(server.channel(address)).HandleReloadConfigRequest(r, PATIENCE, metadata=bearer(key))


def rest(url, key, body=None):
    r = urllib.request.Request(url, data=body and json.dumps(body).encode(), headers=dict(Authorization=f"Bearer {key}") if key else {})
    try:
        with urllib.request.urlopen(r, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("WWW-Authenticate", "")


def check_grpc(server):
    equal(predict(server, server.predict_key), [3.5])
    equal(predict(server, server.admin_key), [3.5])
    equal(predict(server, server.predict_key, server.admin), [3.5])
    refused(lambda: predict(server, None), StatusCode.UNAUTHENTICATED, "a key is needed")
    refused(lambda: predict(server, server.wrong_key), StatusCode.UNAUTHENTICATED, "not one of this server's")


def check_a_large_request_is_refused_before_it_is_read(server):
    r = request("half_plus_two", {"x": tf.make_tensor_proto([1.0] * (5 << 20))})
    refused(lambda: server.prediction().Predict(r, PATIENCE), StatusCode.UNAUTHENTICATED, "a key is needed")


def check_reload(server):
    equal(reload(server, server.admin_key, server.admin).status.error_code, 0)
    refused(lambda: reload(server, server.predict_key, server.admin), StatusCode.PERMISSION_DENIED, "a key for administration is needed")
    refused(lambda: reload(server, None, server.admin), StatusCode.UNAUTHENTICATED, "a key is needed")
    refused(lambda: reload(server, server.admin_key, server.grpc), StatusCode.PERMISSION_DENIED, "--admin_grpc_port")


def check_rest(server):
    url, body = server.rest + "/v1/models/half_plus_two:predict", {"instances": [1.0]}
    code, answer = rest(url, server.predict_key, body)
    equal((code, json.loads(answer)), (200, {"predictions": [3.5]}))
    equal(rest(url, None, body), (401, 'Bearer realm="shoal"'))
    equal(rest(url, server.wrong_key, body), (401, 'Bearer realm="shoal"'))
    equal(rest(server.admin_rest + "/metrics", server.admin_key)[0], 200)
    equal(rest(server.admin_rest + "/metrics", server.predict_key), (403, ""))
    equal(rest(server.rest + "/metrics", server.admin_key), (404, ""))
