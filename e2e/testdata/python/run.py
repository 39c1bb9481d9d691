"""Runs the checks of modules in this folder against a server, with the published clients of TensorFlow Serving.

usage: python run.py MODULE... -- [NAME=VALUE...]

Every function check_… of the modules gets a Server made of the named values. One line of JSON tells the outcome of each:
{"check": "module.name", "error": "" or the traceback}. The exit code is 0 when all passed.
"""
import importlib
import json
import os
import sys
import traceback

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", GRPC_VERBOSITY="NONE")

import grpc  # noqa: E402
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc  # noqa: E402

PATIENCE = 60  # seconds that a call may take


class Server:
    """The server under test: its stubs, and the values of the command line as attributes."""

    def __init__(self, values):
        self.__dict__.update(values)

    def channel(self, address=None, **options):
        return grpc.insecure_channel(address or self.grpc, **options)

    def prediction(self, channel=None):
        return prediction_service_pb2_grpc.PredictionServiceStub(channel or self.channel())

    def models(self, channel=None):
        return model_service_pb2_grpc.ModelServiceStub(channel or self.channel())


def equal(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, want {want!r}" if what else f"got {got!r}, want {want!r}"


def refused(call, code, *texts):
    """The call fails with this code, and its details hold the texts."""
    try:
        answer = call()
    except grpc.RpcError as error:
        assert error.code() == code, f"got {error.code()} {error.details()!r}, want {code}"
        for text in texts:
            assert text in error.details(), f"{text!r} is not in {error.details()!r}"
        return
    raise AssertionError(f"want {code}, got the answer {answer}")


def main(arguments):
    split = arguments.index("--")
    server = Server(value.split("=", 1) for value in arguments[split + 1:])
    failed = False
    for name in arguments[:split]:
        module = importlib.import_module(name)
        for check in [c for c in vars(module) if c.startswith("check_")]:
            error = ""
            try:
                getattr(module, check)(server)
            except Exception:  # each check is to be told of, whatever became of it
                error, failed = traceback.format_exc(), True
            print(json.dumps({"check": f"{name}.{check[len('check_'):]}", "error": error}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # the modules import what is above from here
    sys.exit(main(sys.argv[1:]))
