"""REST as the tutorials write it, with requests."""
import base64

import requests
from run import PATIENCE, equal


def post(server, path, body):
    return requests.post(f"{server.rest}/v1/models/{path}", json=body, timeout=PATIENCE)


def check_predict(server):
    equal(post(server, "half_plus_two:predict", {"instances": [1.0, 2.0, 5.0]}).json(), {"predictions": [3.5, 4.0, 5.5]})
    equal(post(server, "half_plus_two/labels/stable:predict", {"inputs": {"x": [1.0]}}).json(), {"outputs": [2.5]})
    encoded = {"b64": base64.b64encode(b"\xff\x00").decode()}
    got = post(server, "multi:predict", {"instances": [{"a": [1, 2], "b": 3, "s": encoded}]}).json()["predictions"][0]
    equal((got["sum"], got["b2"], got["tag_bytes"]), (3.0, 6, {"b64": base64.b64encode(b"\xff\x00!").decode()}))


def check_classify_and_regress(server):
    got = post(server, "estimator:classify", {"examples": [{"x": 0.25}]}).json()
    equal(got, {"results": [[["small", 0.75], ["large", 0.25]]]})
    got = post(server, "half_plus_two:regress", {"signature_name": "regress_x_to_y", "context": {"x": 10.0}, "examples": [{"x": 2.0}, {}]})
    equal(got.json(), {"results": [4.0, 8.0]})


def check_errors(server):
    answer = post(server, "absent:predict", {"instances": [1]})
    equal((answer.status_code, list(answer.json())), (404, ["error"]))
    equal(post(server, "half_plus_two:predict", {"instances": ["one"]}).status_code, 400)
