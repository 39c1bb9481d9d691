"""Prints the PredictionLog records of TFRecord files, one a line, as JSON.

usage: python read_log.py FILE...
"""
import sys

import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import prediction_log_pb2

for data in tf.data.TFRecordDataset(sys.argv[1:]):
    print(json_format.MessageToJson(prediction_log_pb2.PredictionLog.FromString(data.numpy()), indent=None))
