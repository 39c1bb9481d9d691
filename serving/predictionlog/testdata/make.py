"""Writes the test data with TensorFlow itself. It needs the packages tensorflow-cpu and tensorflow-serving-api 2.21:

    python3 testdata/make.py testdata
"""

import sys

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

out = sys.argv[1]


def write(path, records):
    with tf.io.TFRecordWriter(path) as w:
        for r in records:
            w.write(r)


# The record i is i bytes: i, i+1, …; and one that does not fit a buffer of 4 KiB.
write(out + "/../tfrecord/testdata/tensorflow.tfrecord",
      [bytes((i + k) % 256 for k in range(i)) for i in range(5)] + [bytes(k % 251 for k in range(5000))])


def example(x):
    return tf.train.Example(features=tf.train.Features(feature={
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[x]))}))


P = prediction_log_pb2
logs = []

predict = P.PredictionLog(predict_log=P.PredictLog())
spec = predict.predict_log.request.model_spec
spec.name, spec.version.value = "half_plus_two", 99
predict.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0, 2.0, 5.0]))
logs.append(predict)

predict = P.PredictionLog(predict_log=P.PredictLog())
predict.predict_log.request.model_spec.name = "half_plus_two"
predict.predict_log.request.model_spec.signature_name = "text"
predict.predict_log.request.inputs["s"].CopyFrom(tf.make_tensor_proto([["a", ""], ["ccc", "d"]]))
predict.predict_log.request.inputs["k"].CopyFrom(tf.make_tensor_proto(7, dtype=tf.int64))
predict.predict_log.request.output_filter.append("s")
logs.append(predict)

classify = P.PredictionLog(classify_log=P.ClassifyLog())
classify.classify_log.request.model_spec.name = "half_plus_two"
classify.classify_log.request.model_spec.signature_name = "classify"
classify.classify_log.request.input.example_list.examples.extend([example(1), example(2)])
logs.append(classify)

regress = P.PredictionLog(regress_log=P.RegressLog())
regress.regress_log.request.model_spec.name = "half_plus_two"
regress.regress_log.request.model_spec.signature_name = "regress"
context = regress.regress_log.request.input.example_list_with_context
context.context.CopyFrom(example(4))
context.examples.extend([tf.train.Example(), tf.train.Example(), example(3)])
logs.append(regress)

multi = P.PredictionLog(multi_inference_log=P.MultiInferenceLog())
for name in "classify", "regress":
    task = multi.multi_inference_log.request.tasks.add()
    task.model_spec.name = "half_plus_two"
    task.model_spec.signature_name = name
    task.method_name = "tensorflow/serving/" + name
multi.multi_inference_log.request.input.example_list.examples.extend([example(6)])
logs.append(multi)

write(out + "/tf_serving_warmup_requests", [m.SerializeToString() for m in logs])
