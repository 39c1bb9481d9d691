"""Makes the SavedModels of the tests, all small.

usage: python make_test_models.py DIRECTORY        (needs TensorFlow; `make test` runs it)

The recorded REST and gRPC answers were taken with these; a change here changes them:
  half_plus_two/{1,2}  y = x/2 + 2 (version 1), y = x/2 + 3 (version 2); predict, regress and classify signatures
  identity/1           one signature per dtype: input x, output y = x, of any rank
  multi/1              inputs a [n,2] float32, b [n] int64, s [n] string; outputs sum, b2 = 2b, tag_bytes = s + "!", text = upper(s)
  scalar/1             x [] float32 → y [] = 2x: no batch dimension
  fixed/1              x [n,3] float32 → y [n,2], through a MatMul that checks the 3
  nonbatch/1           x [n] float32 → y [n] = x + 1 and total []: an output that does not follow the batch
  bad/1                a saved_model.pb that is no SavedModel

For the batcher, the loader and the benchmarks:
  mlp/1                    x [n,128] float32 → output_0 [n,10], three hidden layers of 512, weights as of a trained network
  dynamic/1                x [n,m] float32 → y [n], the sums of the rows: variable length
  fail_on_negative/1       x [n] float32 → y [n] = sqrt(x); one negative number fails the whole run
  slow/1                   x [n] float32 → y [n] = x + 1, after about 20 ms of computing, whatever n is
  turns/1                  n [n] int64 → turns [n] int64, all the largest n, counted in a loop of as many turns: a run takes as long as its
                           input says
  stringlen/1              s [n] string → length [n] int64, in bytes
  two_signatures/1         serving_default: x → y = 2x; add: a, b → sum = a + b
  tf1/1                    as TensorFlow 1 wrote them: ref variables, a hash table filled from an asset file by an init op;
                           x [n,3] float32, word [n] string → y [n,2], id [n] int64 (-1: not in the file)
  words/1                  s [n] string → count [n] int64, joined [n] string: the words of s in folded case, by the ops of tensorflow-text
  estimator/1              as an estimator exports: examples with x float → classes {small, large} and their scores 1-x, x
                           (serving_default, classification), 2x + 1 (regression), and predict
  tagged/1                 two meta graphs, as TensorFlow 1 wrote them, x [n] float32 → y [n]: x + 1 under the tag serve,
                           x + 2 under serve and gpu
  bad_missing_variables/1  a sound saved_model.pb whose variables/ is gone
"""
import os
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_text as text  # noqa: E402

DTYPES = [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
          tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.bool, tf.string]


def takes(**inputs):
    """tf.function with the named inputs, each given as (shape, dtype)."""
    return tf.function(input_signature=[tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()])


# --- the models of the recorded answers


class HalfPlus(tf.Module):
    def __init__(self, offset):
        super().__init__()
        self.a, self.b = tf.Variable(0.5), tf.Variable(float(offset))

    @takes(x=([None], tf.float32))
    def predict(self, x):
        return {"y": self.a * x + self.b}

    @takes(inputs=([None], tf.string))
    def regress(self, inputs):
        return {"outputs": self._of_examples(inputs)}

    @takes(inputs=([None], tf.string))
    def classify(self, inputs):
        return {"scores": self._of_examples(inputs)}

    def _of_examples(self, serialized):
        x = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        return self.a * x + self.b

    def signatures(self):
        return {"serving_default": self.predict, "regress_x_to_y": self.regress, "classify_x_to_y": self.classify}


class Identity(tf.Module):
    def signatures(self):
        self.held = {}  # the module must own its functions to be saved with them
        for dtype in DTYPES:
            echo = tf.function(lambda x: {"y": tf.identity(x)})
            self.held[dtype.name] = echo.get_concrete_function(tf.TensorSpec(None, dtype, name="x"))
        self.held["serving_default"] = self.held["float32"]
        return self.held


class Multi(tf.Module):
    @takes(a=([None, 2], tf.float32), b=([None], tf.int64), s=([None], tf.string))
    def serve(self, a, b, s):
        return {"sum": tf.reduce_sum(a, 1), "b2": b * 2, "tag_bytes": tf.strings.join([s, "!"]), "text": tf.strings.upper(s)}


class Scalar(tf.Module):
    @takes(x=([], tf.float32))
    def serve(self, x):
        return {"y": x * 2}


class Fixed(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @takes(x=([None, 3], tf.float32))
    def serve(self, x):
        return {"y": tf.matmul(x, self.w)}


class NonBatch(tf.Module):
    @takes(x=([None], tf.float32))
    def serve(self, x):
        return {"y": x + 1, "total": tf.reduce_sum(x)}


# --- the others


class MLP(tf.Module):
    """No bias is zero: TensorFlow would optimise an untrained network's zeros away, and the benchmarks would flatter."""

    def __init__(self):
        super().__init__()
        random = np.random.default_rng(1)
        sizes = [128, 512, 512, 512, 10]
        self.layers = [(tf.Variable(random.normal(0, np.sqrt(2 / n), (n, m)).astype(np.float32)),
                        tf.Variable(random.normal(0, 0.1, m).astype(np.float32))) for n, m in zip(sizes, sizes[1:])]

    @takes(x=([None, 128], tf.float32))
    def serve(self, x):
        for w, b in self.layers[:-1]:
            x = tf.nn.relu(tf.matmul(x, w) + b)
        w, b = self.layers[-1]
        return {"output_0": tf.matmul(x, w) + b}


class Dynamic(tf.Module):
    @takes(x=([None, None], tf.float32))
    def serve(self, x):
        return {"y": tf.reduce_sum(x, 1)}


class FailOnNegative(tf.Module):
    @takes(x=([None], tf.float32))
    def serve(self, x):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x >= 0), ["x must not be negative"])]):
            return {"y": tf.sqrt(x)}


class Slow(tf.Module):
    SIZE, TURNS = 256, 56

    @takes(x=([None], tf.float32))
    def serve(self, x):
        # The loop starts from the batch's size, and y depends on it: no optimiser can compute it beforehand or leave it out.
        # Each turn keeps every element at that size, so nothing overflows, and min(m, 0) adds nothing to y.
        m = tf.fill([self.SIZE, self.SIZE], tf.cast(tf.size(x), tf.float32))
        mean = tf.fill([self.SIZE, self.SIZE], 1 / self.SIZE)
        _, m = tf.while_loop(lambda i, m: i < self.TURNS, lambda i, m: (i + 1, tf.matmul(m, mean)), (0, m))
        return {"y": x + 1 + tf.minimum(m[0, 0], 0)}


class Turns(tf.Module):
    @takes(n=([None], tf.int64))
    def serve(self, n):
        largest = tf.reduce_max(n)
        turns = tf.while_loop(lambda i: i < largest, lambda i: (i + 1,), (tf.zeros([], tf.int64),))[0]
        return {"turns": tf.fill(tf.shape(n), turns)}


class StringLength(tf.Module):
    @takes(s=([None], tf.string))
    def serve(self, s):
        return {"length": tf.cast(tf.strings.length(s), tf.int64)}


class TwoSignatures(tf.Module):
    @takes(x=([None], tf.float32))
    def double(self, x):
        return {"y": 2 * x}

    @takes(a=([None], tf.float32), b=([None], tf.float32))
    def add(self, a, b):
        return {"sum": a + b}

    def signatures(self):
        return {"serving_default": self.double, "add": self.add}


class Words(tf.Module):
    def __init__(self):
        super().__init__()
        self.tokenizer = text.WhitespaceTokenizer()

    @takes(s=([None], tf.string))
    def serve(self, s):
        words = self.tokenizer.tokenize(text.case_fold_utf8(s))
        return {"count": tf.cast(words.row_lengths(), tf.int64), "joined": tf.strings.reduce_join(words, axis=-1, separator="|")}


def save_tf1(path, words):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        word = v1.placeholder(tf.string, [None], name="word")
        w = v1.get_variable("w", initializer=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=False)
        b = v1.get_variable("b", initializer=[0.5, -0.5], use_resource=False)
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, tf.constant(words))
        table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
            words, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), -1)
        signature = v1.saved_model.predict_signature_def(
            {"x": x, "word": word}, {"y": tf.matmul(x, w) + b, "id": table.lookup(word)})
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(
            session, [v1.saved_model.tag_constants.SERVING], {"serving_default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS), main_op=v1.tables_initializer())
        builder.save()


def save_estimator(path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], name="input_example_tensor")
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        w = v1.get_variable("w", initializer=2.0, use_resource=False)
        classes = tf.tile(tf.constant([["small", "large"]]), [tf.shape(x)[0], 1])
        scores, value = tf.concat([1 - x, x], axis=1), w * x + 1
        classification = v1.saved_model.classification_signature_def(examples, classes, scores)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, [v1.saved_model.tag_constants.SERVING], {
            "serving_default": classification, "classification": classification,
            "regression": v1.saved_model.regression_signature_def(examples, value),
            "predict": v1.saved_model.predict_signature_def({"examples": examples}, {"scores": scores, "value": value})})
        builder.save()


def save_tagged(path):
    v1 = tf.compat.v1
    builder = v1.saved_model.Builder(path)
    for tags, offset in ((["serve"], 1), (["serve", "gpu"], 2)):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None], name="x")
            by = v1.get_variable("by", initializer=1.0)
            signatures = {"serving_default": v1.saved_model.predict_signature_def({"x": x}, {"y": x + offset * by})}
            session.run(v1.global_variables_initializer())
            if offset == 1:  # the variables are written once, for all meta graphs
                builder.add_meta_graph_and_variables(session, tags, signatures)
            else:
                builder.add_meta_graph(tags, signatures)
    builder.save()


def main(root):
    def save(module, path):
        signatures = module.signatures() if hasattr(module, "signatures") else module.serve
        tf.saved_model.save(module, os.path.join(root, path), signatures=signatures)

    for version, offset in ((1, 2), (2, 3)):
        save(HalfPlus(offset), f"half_plus_two/{version}")
    for name, module in {
            "identity": Identity, "multi": Multi, "scalar": Scalar, "fixed": Fixed, "nonbatch": NonBatch, "mlp": MLP,
            "dynamic": Dynamic, "fail_on_negative": FailOnNegative, "slow": Slow, "turns": Turns, "stringlen": StringLength,
            "two_signatures": TwoSignatures, "words": Words, "bad_missing_variables": Fixed}.items():
        save(module(), f"{name}/1")
    shutil.rmtree(os.path.join(root, "bad_missing_variables/1/variables"))

    words = os.path.join(root, "words.txt")
    with open(words, "w") as out:
        out.write("shoal\nherring\nmackerel\n")
    save_tf1(os.path.join(root, "tf1/1"), words)
    os.remove(words)  # the model has its own copy

    save_estimator(os.path.join(root, "estimator/1"))
    save_tagged(os.path.join(root, "tagged/1"))

    os.makedirs(os.path.join(root, "bad/1"))
    with open(os.path.join(root, "bad/1/saved_model.pb"), "wb") as out:
        out.write(b"this is not a SavedModel")


if __name__ == "__main__":
    main(sys.argv[1])
