"""Runs by other people's writers: one of every kind that TensorBoard shows, by torch and by tf.summary.

A script, `python tests/peer_runs.py LOGDIR`, so that TensorFlow and torch stay out of the process that tests.
The harness is proved on these runs, and a reader of ours can be held to them. Must not import eventwriter.

Values come from the functions at the top, which the tests call again to know what to expect; they need only
numpy.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

SCALARS = [(step, wall_time, value) for step, (wall_time, value) in enumerate(
    [(1_700_000_000.25, 0.5), (1_700_000_001.5, float("nan")), (1_700_000_002.75, float("inf")),
     (1_700_000_003.0, float("-inf")), (1_700_000_004.125, -1e-40), (1_700_000_005.0, 0.1)]
)]  # fmt: skip
MANY = 3000  # points of the tag `many`: three times what the server keeps unless told otherwise
VERTICES = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]] * 2, np.float32)
COLORS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]] * 2, np.uint8)
FACES = np.array([[[0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]]] * 2, np.int32)
MESH_CONFIG = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
LABELS = np.array([0, 1, 1, 0, 1, 0, 1, 1])
PREDICTIONS = np.array([0.1, 0.9, 0.8, 0.4, 0.35, 0.6, 0.7, 0.2], np.float32)
EMBEDDING = np.arange(40, dtype=np.float32).reshape(10, 4) / 7


def pixels(count: int, channels: int = 3) -> np.ndarray:
    """`count` images of noise, uint8 of shape (count, 5, 7, channels)."""
    return np.random.default_rng(count).integers(0, 256, (count, 5, 7, channels), np.uint8)


def wave(channels: int = 1) -> np.ndarray:
    """0.1 s of tones at 8 kHz, float32 of shape (800, channels) within [-0.5, 0.5]."""
    time = np.arange(800) / 8000
    return np.stack([np.sin(time * 6000 * (1 + c)) / 2 for c in range(channels)], 1).astype(np.float32)


def normal(size: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).normal(size=size)


def write(logdir: str | Path) -> None:
    """Write the runs `torch`, `torch/trial` and `tf` into `logdir`, in a process of their own."""
    subprocess.run([sys.executable, __file__, str(logdir)], check=True, capture_output=True)


def write_torch(logdir: Path) -> None:
    import torch
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(logdir / "torch"))
    for step, wall_time, value in SCALARS:
        writer.add_scalar("loss", value, step, walltime=wall_time)
    for step in range(MANY):
        writer.add_scalar("many", step / 2, step)
    for step in range(60):
        writer.add_histogram("weights", normal() + step, step)
    writer.add_histogram("few", normal(), 5, walltime=1_700_000_000.5)
    for step in range(12):
        writer.add_image("noise", pixels(12)[step], step, dataformats="HWC")
    writer.add_audio("tone", wave()[:, 0], 3, sample_rate=8000)
    writer.add_text("note", "# Title\n\n* **bold**", 2)
    writer.add_pr_curve("pr", LABELS, PREDICTIONS, 4, num_thresholds=11)
    writer.add_mesh(
        "tetra",
        torch.tensor(VERTICES),
        torch.tensor(COLORS),
        torch.tensor(FACES),
        config_dict=MESH_CONFIG,
        global_step=1,
    )
    writer.add_custom_scalars({"Group": {"Both": ["Multiline", ["loss", "many"]]}})
    writer.add_embedding(
        torch.tensor(EMBEDDING),
        metadata=[(f"row {i}", str(i % 3)) for i in range(10)],
        metadata_header=["name", "class"],
        label_img=torch.rand(10, 3, 8, 8),
        global_step=0,
        tag="points",
    )
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    writer.add_graph(model, torch.zeros(1, 4))
    writer.add_hparams(
        {"lr": 0.125, "bs": 32, "name": "adam", "amp": True}, {"hparam/accuracy": 0.75}, run_name="trial"
    )
    writer.close()


def write_tf(logdir: Path) -> None:
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    with tf.summary.create_file_writer(str(logdir / "tf")).as_default():
        for step, _, value in SCALARS:
            tf.summary.scalar("loss", value, step, description="What *falls*")
        tf.summary.histogram("weights", normal(), 1, buckets=20)
        tf.summary.image("batch", pixels(3), 1, max_outputs=3)
        tf.summary.audio("stereo", wave(2)[None], 8000, 1)
        tf.summary.text("table", [["a", "b"], ["c", "*d*"]], 1)

        @tf.function
        def double(x: tf.Tensor) -> tf.Tensor:
            return tf.multiply(x, 2.0, name="twice")

        tf.summary.graph(double.get_concrete_function(tf.TensorSpec([], tf.float32)).graph.as_graph_def())
        tf.summary.trace_on(graph=True)
        double(tf.constant(1.0))
        tf.summary.trace_export("call", 0)
        api.hparams({"lr": 0.5, "name": "sgd"}, trial_id="tf trial")


if __name__ == "__main__":
    write_torch(Path(sys.argv[1]))
    write_tf(Path(sys.argv[1]))
