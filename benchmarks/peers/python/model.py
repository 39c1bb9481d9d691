"""The model as the peers serve it: TensorFlow on one thread in each worker, as Shoal runs it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf


def load():
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = tf.saved_model.load(os.environ["MODEL"])
    run = model.signatures["serving_default"]
    (name,) = run.structured_input_signature[1]
    (output,) = run.structured_outputs

    def predict(rows):
        return run(**{name: tf.constant(rows)})[output].numpy()

    predict.model = model  # whose variables must outlive the function
    for n in (1, 32, 64):
        predict(np.zeros((n, 128), np.float32))
    return predict
