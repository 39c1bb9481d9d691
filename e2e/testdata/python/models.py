"""GetModelMetadata, GetModelStatus and HandleReloadConfigRequest: models, policies and labels changed by calls."""
import time

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from predict import floats, predict, request
from run import PATIENCE, equal, refused
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_management_pb2

StatusCode = grpc.StatusCode
State = get_model_status_pb2.ModelVersionStatus
AVAILABLE, UNLOADING, END = State.AVAILABLE, State.UNLOADING, State.END


def states(server, model, version=None):
    r = get_model_status_pb2.GetModelStatusRequest()
    r.model_spec.name = model
    if version is not None:
        r.model_spec.version.value = version
    answer = server.models().GetModelStatus(r, PATIENCE)
    for s in answer.model_version_status:
        equal((s.status.error_code, s.status.error_message), (0, ""), f"{model} {s.version}")
    return {s.version: s.state for s in answer.model_version_status}


def reload(server, *models):
    """Each model is a text proto ModelConfig."""
    r = model_management_pb2.ReloadConfigRequest()
    r.config.model_config_list.SetInParent()
    for text in models:
        text_format.Parse(text, r.config.model_config_list.config.add())
    answer = server.models().HandleReloadConfigRequest(r, PATIENCE)
    equal((answer.status.error_code, answer.status.error_message), (0, ""))


def half(server, rest, name="half_plus_two"):
    return f'name: "{name}" base_path: "{server.root}/half_plus_two" model_platform: "tensorflow" {rest}'


BOTH = "model_version_policy { specific { versions: 1 versions: 2 } }"


def y(server, **spec):
    return tf.make_ndarray(predict(server, request("half_plus_two", {"x": floats(1)}, **spec)).outputs["y"]).tolist()


def settled(server, model):
    """The states once no version is being unloaded any more: a reload does not wait for that."""
    end = time.monotonic() + PATIENCE
    while UNLOADING in (found := states(server, model)).values() and time.monotonic() < end:
        time.sleep(0.01)
    return found


def check_metadata(server):
    r = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    r.model_spec.name = "multi"
    answer = server.prediction().GetModelMetadata(r, PATIENCE)
    equal((answer.model_spec.name, answer.model_spec.version.value), ("multi", 1))
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures), answer
    s = signatures.signature_def["serving_default"]
    equal((sorted(s.inputs), sorted(s.outputs), s.method_name), (["a", "b", "s"], ["b2", "sum", "tag_bytes", "text"], "tensorflow/serving/predict"))
    equal((tf.as_dtype(s.inputs["a"].dtype), tf.TensorShape(s.inputs["a"].tensor_shape).as_list()), (tf.float32, [None, 2]))
    r.metadata_field.append("author")
    refused(lambda: server.prediction().GetModelMetadata(r, PATIENCE), StatusCode.INVALID_ARGUMENT, "Metadata field author is not supported")
    del r.metadata_field[:]
    refused(lambda: server.prediction().GetModelMetadata(r, PATIENCE), StatusCode.INVALID_ARGUMENT, "at least one metadata_field")


def check_status(server):
    equal(states(server, "half_plus_two"), {1: AVAILABLE, 2: AVAILABLE})
    equal(states(server, "half_plus_two", 1), {1: AVAILABLE})
    refused(lambda: states(server, "absent"), StatusCode.NOT_FOUND, "Could not find any versions of model absent")
    refused(lambda: states(server, "half_plus_two", 9), StatusCode.NOT_FOUND, "Could not find version 9 of model half_plus_two")


# From here on a server that has only half_plus_two is changed, step by step.


def check_reload(server):
    server = type(server)(dict(vars(server), grpc=server.changing))
    one, two = np.float32(2.5), np.float32(3.5)
    reload(server, half(server, "model_version_policy { specific { versions: 1 } }"))
    equal((settled(server, "half_plus_two"), y(server)), ({1: AVAILABLE, 2: END}, [one]))

    reload(server, half(server, BOTH))
    equal((states(server, "half_plus_two"), y(server)), ({1: AVAILABLE, 2: AVAILABLE}, [two]))
    reload(server, half(server, BOTH + 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'))
    equal((y(server, label="stable"), y(server, label="canary")), ([one], [two]))
    reload(server, half(server, BOTH + 'version_labels { key: "stable" value: 2 }'))
    equal(y(server, label="stable"), [two], "the label has moved")
    refused(lambda: y(server, label="canary"), StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: canary")

    reload(server, half(server, BOTH), half(server, "", "other"))
    equal(states(server, "other"), {2: AVAILABLE}, "a model that was added")
    reload(server, half(server, BOTH))
    refused(lambda: predict(server, request("other", {"x": floats(1)})), StatusCode.NOT_FOUND, "Latest(other)")
    equal(settled(server, "other"), {2: END}, "a model that was removed")


def check_bad_configurations_change_nothing(server):
    server = type(server)(dict(vars(server), grpc=server.changing))
    good = half(server, BOTH + 'version_labels { key: "stable" value: 2 }')
    reload(server, half(server, BOTH))
    reload(server, good)
    label = half(server, BOTH + 'version_labels { key: "stable" value: 7 }')
    for models, code, text in (
            ((good, good), StatusCode.INVALID_ARGUMENT, "Illegal to list model half_plus_two multiple times in config list"),
            (('name: "nowhere" model_platform: "tensorflow"',), StatusCode.INVALID_ARGUMENT, "base_path"),
            ((half(server, "", ""),), StatusCode.INVALID_ARGUMENT, "name"),
            (('name: "m" base_path: "/m" model_platform: "caffe"',), StatusCode.INVALID_ARGUMENT, "caffe"),
            ((label,), StatusCode.FAILED_PRECONDITION,
             "Request to assign label to version 7 of model half_plus_two, which is not currently available for inference")):
        refused(lambda: reload(server, *models), code, text)
        equal((states(server, "half_plus_two"), y(server, label="stable")), ({1: AVAILABLE, 2: AVAILABLE}, [np.float32(3.5)]), text)
    refused(lambda: server.models().HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest(), PATIENCE),
            StatusCode.INVALID_ARGUMENT, "Only ModelConfigList is currently supported")
