"""Makes the models that tests of batching by default are made with: models whose rows look at each other, that keep state, that
answer at random, or that take no made-up rows; and some whose rows are independent although it does not look so.

usage: python make_row_models.py DIRECTORY        (needs TensorFlow; `make test` runs it)

Rows that depend on each other (the name says how):
  ranker      x [n,3] → score [n], a softmax over the request             centred     x [n] → x − mean
  cumulative  x [n] → running sums                                        reversed    x [n] → x in reverse
  sorted      x [n] → x in order                                          scaled      x [n] → x / max |x|
  filtered    x [n] → those above 0                                       negatives   x [n,4] → [n,n] products of all rows
  words       text [n] → words [n, the most of any text]                  top         x [n] → whether it is among the largest half
  statistics  x [n,4] → normalised by the batch's mean and variance       rare        x [n] → 2x; × 3 if any |x| > 200
  position    x [n] → x + its position in the request                     pairs       x [n] → x + its successor, round the end
  hidden      x [n] → 2x; × 3 if any |x| > 50000: no made-up row shows it

State:
  counter     x [n] → how often it was called                             running_mean  x [n] → x − the mean of all rows so far
  table       key [n] → whether it is new, and inserts it                 seeded        x [n] → x + noise of a seeded op

Not provable with made-up rows:
  noise       x [n] → x + noise                                           key        s [n], "key=<number>" only → the number
  key_ranker  s [n] like key → the number / the sum of all

Independent:
  picture     jpeg [n] → mean colour [n,3]                                features   tf.Examples with x float[2], n int64 → y
  loop        x [n] → x after 10 rounds of a while loop                   flat       x [n,2,2] → a product with a reshape through −1
  choice      x [n,4] → the position of the largest (int64)               lookup     word [n] → its number in a constant table
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402

ROW = tf.TensorSpec([None], tf.float32, "x")


def spec(*inner, name="x", dtype=tf.float32):
    return tf.TensorSpec([None, *inner], dtype, name)


STRINGS = spec(name="s", dtype=tf.string)


def number_of(s):
    """The number of "key=12"; anything else is an error."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(tf.strings.regex_full_match(s, r"key=\d+")), ["not a key", s])]):
        return tf.strings.to_number(tf.strings.substr(s, 4, 20))


def examples(serialized):
    f = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([2], tf.float32), "n": tf.io.FixedLenFeature([], tf.int64)})
    return tf.reduce_sum(f["x"], 1) + tf.cast(f["n"], tf.float32)


def pictures(jpeg):
    one = lambda b: tf.reduce_mean(tf.image.convert_image_dtype(tf.io.decode_jpeg(b, channels=3), tf.float32), [0, 1])  # noqa: E731
    return tf.map_fn(one, jpeg, fn_output_signature=tf.TensorSpec([3], tf.float32))


def normalised(x):
    mean, variance = tf.nn.moments(x, [0])
    return (x - mean) / tf.sqrt(variance + 1e-3)


def top(x):
    k = (tf.size(x) + 1) // 2
    return x >= tf.reduce_min(tf.math.top_k(x, k).values)


STATELESS = {
    "ranker": (lambda x: tf.nn.softmax(tf.reduce_sum(x, 1), axis=0), spec(3)),
    "centred": (lambda x: x - tf.reduce_mean(x), ROW),
    "cumulative": (tf.cumsum, ROW),
    "reversed": (lambda x: tf.reverse(x, [0]), ROW),
    "sorted": (tf.sort, ROW),
    "scaled": (lambda x: x / (tf.reduce_max(tf.abs(x)) + 1e-6), ROW),
    "filtered": (lambda x: tf.boolean_mask(x, x > 0), ROW),
    "negatives": (lambda x: tf.matmul(x, x, transpose_b=True), spec(4)),
    "words": (lambda text: tf.strings.split(text).to_tensor(""), spec(name="text", dtype=tf.string)),
    "top": (top, ROW),
    "statistics": (normalised, spec(4)),
    "rare": (lambda x: tf.cond(tf.reduce_any(tf.abs(x) > 200), lambda: 6 * x, lambda: 2 * x), ROW),
    "hidden": (lambda x: tf.cond(tf.reduce_any(tf.abs(x) > 50000), lambda: 6 * x, lambda: 2 * x), ROW),
    "position": (lambda x: x + tf.cast(tf.range(tf.size(x)), tf.float32), ROW),
    "pairs": (lambda x: x + tf.roll(x, -1, 0), ROW),
    "noise": (lambda x: x + tf.random.uniform(tf.shape(x)), ROW),
    "seeded": (lambda x: x + tf.raw_ops.RandomUniform(shape=tf.shape(x), dtype=tf.float32, seed=3, seed2=5), ROW),
    "key": (number_of, STRINGS),
    "key_ranker": (lambda s: number_of(s) / tf.reduce_sum(number_of(s)), STRINGS),
    "picture": (pictures, spec(name="jpeg_bytes", dtype=tf.string)),
    "features": (examples, spec(name="examples", dtype=tf.string)),
    "loop": (lambda x: tf.while_loop(lambda i, v: i < 10, lambda i, v: (i + 1, v * 1.5 + 1), (0, x))[1], ROW),
    "flat": (lambda x: tf.reshape(x, [-1, 4]) @ tf.reshape(tf.range(8.0), [4, 2]), spec(2, 2)),
    "choice": (lambda x: tf.argmax(x, 1), spec(4)),
}


class Stateless(tf.Module):
    def __init__(self, function, signature):
        super().__init__()
        self.f = tf.function(lambda value: {"y": function(value)}, input_signature=[signature])


class Counter(tf.Module):
    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0.0)

    @tf.function(input_signature=[ROW])
    def f(self, x):
        return {"y": 0 * x + self.count.assign_add(1.0)}


class RunningMean(tf.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.n = tf.Variable(5.0), tf.Variable(10.0)

    @tf.function(input_signature=[ROW])
    def f(self, x):
        k = tf.cast(tf.size(x), tf.float32)
        mean = (self.mean * self.n + tf.reduce_sum(x)) / (self.n + k)
        self.mean.assign(mean)
        self.n.assign_add(k)
        return {"y": x - mean}


class Table(tf.Module):
    def __init__(self):
        super().__init__()
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)

    @tf.function(input_signature=[spec(name="key", dtype=tf.string)])
    def f(self, key):
        known, size = self.table.lookup(key), self.table.size()
        with tf.control_dependencies([known, size]):
            self.table.insert(key, tf.ones_like(known))
        return {"y": known, "size": tf.fill(tf.shape(key), size)}


class Lookup(tf.Module):
    def __init__(self):
        super().__init__()
        keys = tf.constant(["shoal", "fish", "fox", "1"])
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, tf.range(4, dtype=tf.int64)), -1)

    @tf.function(input_signature=[spec(name="word", dtype=tf.string)])
    def f(self, word):
        return {"y": self.table.lookup(word)}


def main(root):
    modules = {name: Stateless(*how) for name, how in STATELESS.items()}
    modules |= {"counter": Counter(), "running_mean": RunningMean(), "table": Table(), "lookup": Lookup()}
    for name, module in modules.items():
        tf.saved_model.save(module, f"{root}/{name}/1", signatures={"serving_default": module.f})


if __name__ == "__main__":
    main(sys.argv[1])
