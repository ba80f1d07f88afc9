"""Distributed training: every replica's process trains, one of them logs."""

from __future__ import annotations

from pathlib import Path

import keras_trainings
from keras_logs import rows

# Two logical CPUs, which must be asked for before TensorFlow starts.
MIRRORED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import keras_trainings
from keras_scenarios import compiled, fit
from eventwriter_keras import TensorBoard

class Told(keras.layers.Layer):
    def call(self, x):
        tf.summary.scalar("mean", tf.reduce_mean(x))
        return x

x, y, validation_x, validation_y = keras_trainings.data("subclassed")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((5,)), layers.Embedding(12, 3, name="words"), layers.Flatten(name="flat"), Told(name="told"),
        layers.Dense(1, name="last"),
    ], name="mirrored")
    compiled(model)
board = TensorBoard(
    sys.argv[1], update_freq=2, histogram_freq=1, write_images=True, embeddings_freq=1,
    activation_data=(x[:4], y[:4]), write_grads=True,
)
fit(model, board, x, y, validation_data=(validation_x, validation_y), validation_batch_size=4)
assert strategy.num_replicas_in_sync == 2
"""

# Two processes of a torch job, of one that has imported all and not used it yet: a fork is soon made.
RANKS = """
import os, sys
import torch
import keras
import keras_trainings
from keras_scenarios import compiled, fit
from eventwriter_keras import TensorBoard

logdir, rendezvous = sys.argv[1:]

class Mine(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        board.writer("train").scalar("rank", rank, epoch)

other = os.fork()
rank = 0 if other else 1
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
x, y, _, _ = keras_trainings.data("functional")
board = TensorBoard(logdir, update_freq="batch", histogram_freq=1, profile_batch=2)
fit(compiled(keras_trainings.build("functional")), [board, Mine()], x, y)
torch.distributed.barrier()
if other:
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
"""


def test_mirrored_strategy(tmp_path: Path) -> None:
    """In a MirroredStrategy of two devices all is as with one: each value once, mirrored weights as weights."""
    keras_trainings.run("tensorflow", ["-c", MIRRORED, str(tmp_path)])
    logged = rows(tmp_path)
    assert [2, 4, 6, 8, 10] == [row.step for row in logged["train", "batch_loss"]]
    assert [0, 1] == [row.step for row in logged["train", "epoch_loss"]]
    assert [0, 1] == [row.step for row in logged["validation", "epoch_loss"]]
    assert [5, 10] == [row.step for row in logged["validation", "evaluation_loss_vs_iterations"]]
    for tag in ("mirrored/last/kernel", "flat/activation", "mirrored/words/embeddings/gradient"):
        assert [0, 1] == [row.step for row in logged["train", f"{tag}/histogram"]], tag
    assert [0, 1] == [row.step for row in logged["train", "mirrored/last/kernel/image"]]
    assert ("train", "graph_def") in logged
    assert (tmp_path / "train" / "projector_config.pbtxt").exists()
    (told,) = (tag for run, tag in logged if run == "train" and tag.endswith("/mean"))
    assert [2, 4, 6, 8, 10] == [row.step for row in logged["train", told]]


def test_one_torch_process_logs(tmp_path: Path) -> None:
    """Of two processes of a torch job, rank 0 logs; the other's writers write nowhere."""
    keras_trainings.run("torch", ["-c", RANKS, str(tmp_path / "shared"), str(tmp_path / "rendezvous")])
    assert len(list((tmp_path / "shared" / "train").glob("*tfevents*"))) == 1
    assert len(list((tmp_path / "shared" / "train" / "plugins" / "profile").glob("*/*"))) == 1
    logged = rows(tmp_path / "shared")
    assert [0.0, 0.0] == [row.value for row in logged["train", "rank"]]
    assert [*range(1, 11)] == [row.step for row in logged["train", "batch_loss"]]
