"""Trains the two versions of the regression example and exports them as SavedModels.

usage: PYTHONPATH=.cache/python python examples/regression/train.py [DIRECTORY]        (default: model/ beside this file)

The data are made up: y = x/2 + 2 sin(x) + noise, for x from 0 to 10. Version 1 is a straight line through them, version 2
a small network that follows the curve, so a client sees at once which version answered: at x = 5 the truth is 0.58.

    serving_default: x [n, 1] float32 → y [n, 1] float32
"""
import os
import pathlib
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras  # noqa: E402
import numpy as np  # noqa: E402

SEED = 1
POINTS = 2000
BATCH = 100
RANGE = (0.0, 10.0)


def truth(x):
    return x / 2 + 2 * np.sin(x)


def data():
    random = np.random.default_rng(SEED)
    x = random.uniform(*RANGE, (POINTS, 1)).astype(np.float32)
    return x, (truth(x) + random.normal(0, 0.2, x.shape)).astype(np.float32)


def line():
    x = keras.Input((1,), name="x")
    return keras.Model(x, {"y": keras.layers.Dense(1)(x)}, name="line")


def curve():
    x = keras.Input((1,), name="x")
    h = keras.layers.Rescaling(2 / RANGE[1], offset=-1)(x)  # to -1…1
    for _ in range(2):
        h = keras.layers.Dense(24, activation="tanh")(h)
    return keras.Model(x, {"y": keras.layers.Dense(1)(h)}, name="curve")


def main(directory):
    x, y = data()
    for version, build, epochs in ((1, line, 60), (2, curve, 300)):
        keras.utils.set_random_seed(SEED)
        model = build()
        slowing = keras.optimizers.schedules.CosineDecay(0.02, epochs * POINTS // BATCH)
        model.compile(optimizer=keras.optimizers.Adam(slowing), loss="mse")
        history = model.fit(x, {"y": y}, batch_size=BATCH, epochs=epochs, verbose=0)
        path = pathlib.Path(directory, str(version))
        shutil.rmtree(path, ignore_errors=True)
        model.export(str(path), verbose=False)  # the signature and the weights, nothing of the training
        at_5 = model.predict(np.array([[5.0]]), verbose=0)["y"][0, 0]
        print(f"version {version} ({model.name}): mean squared error {history.history['loss'][-1]:.3f}; "
              f"at x = 5: {at_5:.3f} (truth {truth(5.0):.3f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "model")
