"""Makes the SavedModels that pruning, freezing and folding are tested with, all small: one peculiarity or more each.

usage: python make_rewrite_models.py DIRECTORY [NAME...]        (needs TensorFlow; `make test` runs it)

  control/1        variables read inside tf.cond, tf.while_loop and tf.switch_case
  counter/1        variables that are written at run, beside others that are not; two signatures
  shared/1         one function called with several variables' handles, one of them written
  dtypes/1         embeddings, gathers, a string variable, half, bfloat16, bool, empty, scalar, VariableShape, VarIsInitializedOp
  lookup/1         a table from an asset file, a mutable table restored by an op of its own, an asset read at run
  batching/1       a function behind BatchFunction
  lstm/1           recurrent layers, whose functions have sibling implementations
  transformer/1    attention, layer norms, an embedding
  convnet/1        convolutions with and without bias, depthwise and separable, each with a batch norm, and a residual sum
  v1_ref/1         TensorFlow 1: reference variables, Switch/Merge/Enter, an optimiser's slots, a counter that is written
  v1_resource/1    the same with resource variables
  v1_functions/1   the same with If and While
  v1_partitioned_{ref,resource}/1   a variable in three parts
  v1_convnet/1     FusedBatchNormV3 after convolutions

No weight is zero and no batch norm the identity: TensorFlow would optimise those away, and the tests would see nothing.
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

layers = tf.keras.layers
random = np.random.default_rng(1)


def normal(*shape, scale=1.0):
    return random.normal(0, scale, shape).astype(np.float32)


def takes(**inputs):
    """tf.function with the named inputs, each given as (shape, dtype)."""
    return tf.function(input_signature=[tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()])


def as_trained(model):
    """Gives a fresh Keras model the biases and batch norms of a trained one."""
    for weight in model.weights:
        kind = weight.path.split("/")[-1]
        if kind in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.7, 1.3, weight.shape).astype(np.float32))
        elif kind in ("beta", "moving_mean", "bias"):
            weight.assign(normal(*weight.shape, scale=0.1))
    return model


# --- TensorFlow 2


class Control(tf.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = tf.Variable(normal(8, 8, scale=0.3)), tf.Variable(normal(8, 8, scale=0.3))
        self.c, self.unused = tf.Variable(normal(8)), tf.Variable(normal(100))

    @takes(x=([None, 8], tf.float32))
    def serve(self, x):
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, self.a), lambda: tf.matmul(x, self.b) + self.c)

        def turn(i, h):
            h = tf.tanh(tf.matmul(h, self.a) + self.c)
            return i + 1, tf.cond(tf.reduce_mean(h) > 0, lambda: h + self.c, lambda: tf.matmul(h, self.b))

        def more(i, _):
            return i < 5 + tf.cast(tf.minimum(tf.reduce_sum(self.c) * 0, 1), tf.int32)

        _, y = tf.while_loop(more, turn, [tf.constant(0), y])
        case = tf.cast(tf.math.floormod(tf.reduce_sum(x) * 10, 3), tf.int32)
        z = tf.switch_case(case, [lambda: y, lambda: y * self.c, lambda: tf.matmul(y, self.a)])
        return {"y": y, "z": z, "read": tf.identity(self.b)}


class Counter(tf.Module):
    def __init__(self):
        super().__init__()
        self.w, self.n, self.t = tf.Variable(normal(4, 4)), tf.Variable(0.0), tf.Variable(normal(4))

    @takes(x=([None, 4], tf.float32))
    def count(self, x):
        n = self.n.assign_add(1.0)
        return {"y": tf.matmul(x, self.w) + self.n.read_value(), "n": n}

    @takes(x=([None, 4], tf.float32))
    def keep(self, x):
        with tf.control_dependencies([self.t.assign(tf.reduce_mean(x, 0) + self.w[0])]):
            return {"t": self.t.read_value(), "w": tf.matmul(x, self.w)}

    def signatures(self):
        return {"serving_default": self.count, "keep": self.keep}


class Shared(tf.Module):
    def __init__(self):
        super().__init__()
        self.v = [tf.Variable(normal(6, 6, scale=0.4)) for _ in range(4)]
        self.m = tf.Variable(normal(6, 6))
        self.inner = tf.function(lambda x, handle: tf.matmul(x, tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)))

    @takes(x=([None, 6], tf.float32))
    def serve(self, x):
        for v in self.v:
            x = tf.nn.relu(self.inner(x, v.handle)) + x
        with tf.control_dependencies([self.m.assign(self.m * 0.5)]):
            return {"y": self.inner(x, self.m.handle)}


class DTypes(tf.Module):
    def __init__(self):
        super().__init__()
        self.table, self.cube = tf.Variable(normal(1000, 16)), tf.Variable(normal(5, 7, 3))
        self.words, self.ints = tf.Variable(tf.constant(["a", "b", "c"])), tf.Variable([3, 4, 5], dtype=tf.int64)
        self.bfloat16 = tf.Variable(tf.cast(normal(16), tf.bfloat16))
        self.half = tf.Variable(tf.cast(normal(16), tf.float16))
        self.flags, self.empty, self.scalar = tf.Variable([True, False]), tf.Variable(normal(0, 4)), tf.Variable(2.5)

    @takes(ids=([None, 3], tf.int32))
    def serve(self, ids):
        rows = tf.nn.embedding_lookup(self.table, ids)
        return {"rows": rows * self.scalar, "cells": tf.gather_nd(self.cube, tf.stack([ids % 5, ids % 7], -1)),
                "sparse": self.table.sparse_read(ids), "words": tf.gather(self.words, ids % 3), "ints": self.ints + 1,
                "bfloat16": tf.cast(self.bfloat16, tf.float32) + rows, "half": tf.cast(self.half, tf.float32) + rows,
                "flags": tf.identity(self.flags), "empty": tf.concat([self.empty, tf.ones([1, 4])], 0),
                "shape": tf.raw_ops.VariableShape(input=self.table.handle),
                "initialized": tf.raw_ops.VarIsInitializedOp(resource=self.scalar.handle)}


class Lookup(tf.Module):
    def __init__(self, scratch):
        super().__init__()
        vocabulary = os.path.join(scratch, "vocabulary.txt")
        with open(vocabulary, "w") as out:
            out.write("package\ndef\nx\n")
        self.asset = tf.saved_model.Asset(vocabulary)
        self.table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
            vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), 3)
        self.mutable = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.mutable.insert(tf.constant(["x", "y"]), tf.constant([7, 8], tf.int64))
        self.w = tf.Variable(normal(8, 4))

    @takes(x=([None], tf.string))
    def serve(self, x):
        ids = self.table.lookup(x)
        return {"row": tf.gather(self.w, ids), "id": ids, "mutable": self.mutable.lookup(x),
                "text": tf.strings.join([x, tf.io.read_file(self.asset.asset_path)])}


class Batching(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(normal(4, 4))

    @takes(x=([None, 4], tf.float32))
    def serve(self, x):
        @tf.nondifferentiable_batch_function(2, 64, 100)
        def batched(x):
            return tf.matmul(x, self.w)
        return {"y": batched(x)}


def lstm():
    x = inputs = tf.keras.Input([None, 8], name="x")
    x = layers.LSTM(32, return_sequences=True)(x)
    x = layers.Dropout(0.5)(layers.Bidirectional(layers.GRU(16))(x))
    return tf.keras.Model(inputs, layers.Dense(5)(x))


def transformer():
    inputs = tf.keras.Input([16], dtype="int32", name="ids")
    x = layers.Embedding(500, 32)(inputs)
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 8)(x, x))
        x = layers.LayerNormalization()(x + layers.Dense(32)(layers.Dense(64, activation="gelu")(x)))
    return tf.keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


def convnet():
    def norm(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = tf.keras.Input([16, 16, 3], name="x")
    x = norm(layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs))
    x = norm(layers.Conv2D(12, 3, strides=2, padding="same")(x))
    x = norm(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False)(x))
    x = norm(layers.DepthwiseConv2D(3, padding="same")(x))
    x = norm(layers.SeparableConv2D(16, 3, padding="same")(x))
    plain = layers.Conv2D(16, 1)(x)
    # The convolution's output is read twice: once by its batch norm, once by the sum.
    x = layers.Add()([plain, norm(plain), norm(layers.Conv2D(16, 3, padding="same", dilation_rate=2)(x))])
    return tf.keras.Model(inputs, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


# --- TensorFlow 1


def save_v1(path, build, functions=False):
    v1 = tf.compat.v1
    (v1.enable_control_flow_v2 if functions else v1.disable_control_flow_v2)()
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        inputs, outputs = build(v1)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, path, inputs, outputs)


def everything(resource):
    def build(v1):
        def variable(name, shape, **more):
            return v1.get_variable(name, shape, use_resource=resource, initializer=v1.random_normal_initializer(), **more)

        x = v1.placeholder(tf.float32, [None, 8], name="x")
        w, b, out, step = variable("w", [8, 8]), variable("b", [8]), variable("out", [8, 4]), variable("step", [], trainable=False)
        written = v1.assign_add(step, 1.0)
        h = tf.nn.relu(tf.matmul(x, w) + b)
        h = v1.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(h, w), lambda: h + b)
        _, h = v1.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w) + b)), [tf.constant(0), h])
        row = tf.gather(variable("table", [50, 4]), tf.cast(tf.abs(x[:, :2]) * 10, tf.int32))
        y = tf.matmul(h, out)
        v1.train.AdamOptimizer().minimize(tf.reduce_mean(y))
        with tf.control_dependencies([written]):
            steps = tf.identity(step.read_value() if resource else step) * 1.0
        return {"x": x}, {"y": y, "row": row, "steps": steps}
    return build


def partitioned(resource):
    def build(v1):
        x = v1.placeholder(tf.float32, [None, 8], name="x")
        with v1.variable_scope("parts", partitioner=v1.fixed_size_partitioner(3)):
            w = v1.get_variable("w", [8, 6], use_resource=resource, initializer=v1.random_normal_initializer())
        return {"x": x}, {"y": tf.matmul(x, tf.convert_to_tensor(w))}
    return build


def convnet_v1(v1):
    h = x = v1.placeholder(tf.float32, [None, 12, 12, 3], name="x")
    for i, channels in enumerate((8, 12)):
        with v1.variable_scope(f"layer{i}"):
            w = v1.get_variable("w", initializer=normal(3, 3, int(h.shape[-1]), channels, scale=0.2))
            scale = v1.get_variable("scale", initializer=random.uniform(0.7, 1.3, channels).astype(np.float32))
            variance = v1.get_variable("variance", initializer=random.uniform(0.7, 1.3, channels).astype(np.float32))
            offset, mean = (v1.get_variable(n, initializer=normal(channels, scale=0.1)) for n in ("offset", "mean"))
            h, _, _ = v1.nn.fused_batch_norm(tf.nn.conv2d(h, w, 1, "SAME"), scale, offset, mean, variance, is_training=False)
            h = tf.nn.relu(h)
    return {"x": x}, {"y": tf.reduce_mean(h, [1, 2])}


def main(root, *only):
    tf.keras.utils.set_random_seed(1)

    def module(make):
        def save(path):
            made = make()
            tf.saved_model.save(made, path, signatures=made.signatures() if hasattr(made, "signatures") else made.serve)
        return save

    def keras(make):
        return lambda path: as_trained(make()).export(path, verbose=False)

    models = {
        "control": module(Control), "counter": module(Counter), "shared": module(Shared), "dtypes": module(DTypes),
        "lookup": module(lambda: Lookup(root)), "batching": module(Batching),
        "lstm": keras(lstm), "transformer": keras(transformer), "convnet": keras(convnet),
        "v1_ref": lambda path: save_v1(path, everything(False)),
        "v1_resource": lambda path: save_v1(path, everything(True)),
        "v1_functions": lambda path: save_v1(path, everything(True), functions=True),
        "v1_partitioned_ref": lambda path: save_v1(path, partitioned(False)),
        "v1_partitioned_resource": lambda path: save_v1(path, partitioned(True)),
        "v1_convnet": lambda path: save_v1(path, convnet_v1),
    }
    for name in only or models:
        models[name](os.path.join(root, name, "1"))
    if "lookup" in (only or models):
        os.remove(os.path.join(root, "vocabulary.txt"))  # the model has its own copy


if __name__ == "__main__":
    main(*sys.argv[1:])
