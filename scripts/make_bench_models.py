"""Makes the SavedModels of the benchmarks of freezing: architectures as they are used, weights as of trained networks.

usage: python make_bench_models.py DIRECTORY        (needs TensorFlow; `make bench` runs it)

  mobilenet_v2/1   224×224×3 float32, 14 MB of weights
  resnet50/1       224×224×3 float32, 102 MB of weights

The weights are random, but no bias is zero and no batch norm the identity: TensorFlow optimises those of a fresh network
away, and the benchmarks would flatter.
"""
import os
import sys

from make_rewrite_models import as_trained, tf


def main(root):
    tf.keras.utils.set_random_seed(1)
    applications = tf.keras.applications
    for name, make in {"mobilenet_v2": applications.MobileNetV2, "resnet50": applications.ResNet50}.items():
        as_trained(make(weights=None)).export(os.path.join(root, name, "1"), verbose=False)


if __name__ == "__main__":
    main(sys.argv[1])
