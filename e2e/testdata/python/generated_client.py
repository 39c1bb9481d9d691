"""Generates a client from a server's API description with openapi-python-client, and asks the server with it.

usage: python generated_client.py URL

Whatever the generator warns of is a failure, and each operation of the document must have its function. Each example request
of the document goes through the generated classes: they must write it as it is in the document, and read the answer to
the last value. At last a few predictions are made as a person would write them.
"""
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys
import typing

import requests

PLAIN = {"model": "half_plus_two", "version": 1, "label": "stable"}  # for paths that have parameters


def generate(document):
    """Writes the client into the working directory and returns its package."""
    pathlib.Path("openapi.json").write_bytes(document)
    pathlib.Path("config.yml").write_text("package_name_override: generated\npost_hooks: []\n")  # no formatting
    done = subprocess.run([sys.executable, "-m", "openapi_python_client", "generate", "--path=openapi.json", "--output-path=client",
                           "--config=config.yml", "--fail-on-warning"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or "WARNING" in done.stdout:
        sys.exit(f"the generator is not content, exit code {done.returncode}:\n{done.stdout}")
    sys.path.insert(0, str(pathlib.Path("client").resolve()))
    return importlib.import_module("generated")


def functions():
    """The generated modules by method and path, parameters filled in."""
    found = {}
    api = importlib.import_module("generated.api")
    for info in pkgutil.walk_packages(api.__path__, "generated.api."):
        if info.ispkg:
            continue
        module = importlib.import_module(info.name)
        takes = inspect.signature(module._get_kwargs).parameters
        values = {name: value for name, value in PLAIN.items() if name in takes}
        if "body" in takes:
            values["body"] = Nothing
        call = module._get_kwargs(**values)
        found[call["method"].upper(), call["url"]] = module
    return found


class Nothing:
    @staticmethod
    def to_dict():
        return {}


def bodies(module, example):
    """The example as the classes that the operation takes, those that lose nothing of it."""
    hint = typing.get_type_hints(module.sync_detailed)["body"]
    for alternative in typing.get_args(hint) or [hint]:
        try:
            body = alternative.from_dict(example)
        except (KeyError, TypeError, ValueError):
            continue
        if body.to_dict() == example:
            yield body


def check_example(client, where, module, example, values):
    made = list(bodies(module, example))
    if not made:
        sys.exit(f"{where}: no class takes {example}")
    response = module.sync_detailed(**values, client=client, body=made[0])
    if response.status_code != 200:
        sys.exit(f"{where}: {response.status_code} {response.content!r} to {example}")
    plain = requests.post(client._base_url + where, json=example, timeout=60).json()
    if response.parsed.to_dict() != plain:
        sys.exit(f"{where}: {response.parsed.to_dict()} instead of {plain}")


def check_by_hand(client):
    from generated import models
    from generated.api.fail_on_negative import predict_fail_on_negative
    from generated.api.half_plus_two import predict_half_plus_two, predict_half_plus_two_labels_stable
    from generated.api.multi import predict_multi
    from generated.api.open_inference_protocol import v2_infer

    rows = models.HalfPlusTwoPredictRequestServingDefaultRows(instances=[1.0, 4.0])
    assert predict_half_plus_two.sync(client=client, body=rows).predictions == [3.5, 5.0]
    older = models.HalfPlusTwo1PredictRequestServingDefaultColumns(inputs=[1.0, 4.0])
    assert predict_half_plus_two_labels_stable.sync(client=client, body=older).outputs == [2.5, 4.0]
    row = models.MultiPredictRequestServingDefaultRow(a=[1.0, 2.0], b=[3, 4], s="x")
    answer = predict_multi.sync(client=client, body=models.MultiPredictRequestServingDefaultRows(instances=[row])).predictions[0]
    assert (answer.sum_, answer.b2, answer.text) == (3.0, [6, 8], "X"), answer
    asked = models.V2Request(inputs=[models.V2Input(name="x", shape=[2], datatype=models.V2InputDatatype.FP32, data=[1.0, 4.0])])
    assert v2_infer.sync("half_plus_two", client=client, body=asked).outputs[0].data == [3.5, 5.0]
    refused = models.FailOnNegativePredictRequestServingDefaultRows(instances=[-4.0])
    assert isinstance(predict_fail_on_negative.sync(client=client, body=refused), models.Error)


def main(url):
    response = requests.get(f"{url}/openapi.json", timeout=60)
    document = response.json()
    generated = generate(response.content)
    client = generated.Client(base_url=url, timeout=60)
    found = functions()
    wanted = {(method.upper(), path.format(**PLAIN)) for path, item in document["paths"].items() for method in item}
    if wanted != set(found):
        sys.exit(f"operations without a function: {wanted - set(found)}; others: {set(found) - wanted}")
    examples = 0
    for path, item in document["paths"].items():
        for example in item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {}).values():
            where = path.format(**PLAIN)
            check_example(client, where, found["POST", where], example["value"], {k: v for k, v in PLAIN.items() if f"{{{k}}}" in path})
            examples += 1
    check_by_hand(client)
    print(f"{len(found)} operations, {examples} examples")


if __name__ == "__main__":
    main(sys.argv[1])
