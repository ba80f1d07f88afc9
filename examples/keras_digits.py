"""Train a small Keras model on scikit-learn's handwritten digits, with everything the callback logs.

    python examples/keras_digits.py [--epochs 5] [--logdir runs/keras_digits] [--backend torch|jax|tensorflow]

Needs keras, scikit-learn and the backend, torch unless KERAS_BACKEND or --backend says otherwise; the data ships with
scikit-learn. Ends with a table of what is in the files and the line to type to see it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np


def data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Train and test digits: the ink of 64 pixels, ints from 0 to 16, and labels."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    ink, labels = digits.data[order].astype("int32"), digits.target[order]
    return (ink[:1437], labels[:1437]), (ink[1437:], labels[1437:])


def model() -> keras.Model:
    """How much ink a pixel has is a word to it; so there is an embedding for the projector to show."""
    import keras
    from keras import layers

    pixels = keras.Input((64,), dtype="int32", name="pixels")
    x = layers.Embedding(17, 3, name="ink")(pixels)
    x = layers.Reshape((8, 8, 3), name="image")(x)
    x = layers.Conv2D(16, 3, activation="relu", name="strokes")(x)
    x = layers.Conv2D(32, 3, strides=2, activation="relu", name="shapes")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    return keras.Model(pixels, layers.Dense(10, name="digits")(x), name="reader")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--backend", default=os.environ.get("KERAS_BACKEND", "torch"))
    parser.add_argument("--logdir", type=Path, default=Path("runs/keras_digits"))
    options = parser.parse_args()
    os.environ["KERAS_BACKEND"] = options.backend

    import keras
    from eventwriter_keras import TensorBoard

    from eventwriter.__main__ import main as eventwriter

    train, test = data()
    net = model()
    net.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    logdir = options.logdir / time.strftime("%Y%m%d-%H%M%S")
    logdir.mkdir(parents=True)
    (logdir / "ink.tsv").write_text("ink\tamount\n" + "".join(f"{i}/16\t{i}\n" for i in range(17)))
    board = TensorBoard(
        logdir,
        update_freq="batch",
        write_steps_per_second=True,
        histogram_freq=1,
        write_images=True,
        activation_data=(test[0][:64], test[1][:64]),
        write_grads=True,
        embeddings_freq=1,
        embeddings_metadata="ink.tsv",
    )
    net.fit(*train, batch_size=options.batch, epochs=options.epochs, validation_data=test, callbacks=[board])

    print()
    eventwriter(["show", str(logdir)])
    print(f"\nTrained with Keras {keras.version()} on {keras.backend.backend()}.")
    print(f"\nTo see it:  tensorboard --logdir {options.logdir}")


if __name__ == "__main__":
    main()
