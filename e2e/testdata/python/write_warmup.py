"""Writes warm-up files for half_plus_two the way TensorFlow's documentation shows.

usage: python write_warmup.py GOOD BAD

GOOD gets a record of each kind; in BAD the third of four records names a signature that is not there.
"""
import sys

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

KINDS = {"Predict": "predict_log", "Classify": "classify_log", "Regress": "regress_log", "MultiInference": "multi_inference_log"}


def record(kind, signature):
    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, KINDS[kind]).request
    request.SetInParent()
    spec = request.tasks.add(method_name="tensorflow/serving/regress").model_spec if kind == "MultiInference" else request.model_spec
    spec.name, spec.signature_name = "half_plus_two", signature
    if kind == "Predict":
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    else:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(1.0)
    return log


def write(path, *records):
    with tf.io.TFRecordWriter(path) as out:
        for r in records:
            out.write(r.SerializeToString())


predict, regress = record("Predict", "serving_default"), record("Regress", "regress_x_to_y")
write(sys.argv[1], predict, record("Classify", "classify_x_to_y"), regress, record("MultiInference", "regress_x_to_y"))
write(sys.argv[2], predict, regress, record("Predict", "nope"), predict)
