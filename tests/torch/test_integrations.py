"""Real training loops of other libraries write through eventwriter_torch; what they logged is read back.

Each runs in an interpreter of its own, with `install()` before the library is imported, and on the CPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import readers
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

MODEL = """if True:
    import json, sys
    import torch
    import eventwriter_torch
    eventwriter_torch.install()

    out = sys.argv[1]
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.rand(16, 4), torch.rand(16, 1))

    def done():
        loaded = {name.partition(".")[0] for name in sys.modules}
        print(json.dumps(sorted(loaded & {"tensorboard", "tensorflow"})))
"""

LIGHTNING = (
    MODEL
    + """
    import lightning
    from lightning.pytorch.loggers import TensorBoardLogger

    class Net(lightning.LightningModule):
        def __init__(self, width=4, name="net", deep=True):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(width, 1)
            self.example_input_array = torch.rand(1, 4)

        def forward(self, x):
            return self.layer(x)

        def training_step(self, batch, index):
            loss = torch.nn.functional.mse_loss(self(batch[0]), batch[1])
            self.log("loss", loss, on_step=True, on_epoch=True)
            self.logger.log_metrics({"both": {"a": float(index), "b": torch.tensor(2.0)}}, step=self.global_step)
            return loss

        def validation_step(self, batch, index):
            self.log("val", torch.nn.functional.mse_loss(self(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    logger = TensorBoardLogger(out, name="x", version=3, log_graph=True, default_hp_metric=True)
    trainer = lightning.Trainer(
        max_epochs=2, logger=logger, log_every_n_steps=1, accelerator="cpu", enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(data, 4)
    trainer.fit(Net(), loader, loader)
    assert type(logger.experiment) is eventwriter_torch.SummaryWriter
    done()
"""
)

TRANSFORMERS = (
    MODEL
    + """
    from transformers import Trainer, TrainingArguments
    from transformers.integrations import TensorBoardCallback

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x, labels):
            out = self.layer(x)
            return {"loss": torch.nn.functional.mse_loss(out, labels), "logits": out}

    rows = [{"x": x, "labels": y} for x, y in data]
    arguments = TrainingArguments(
        out, num_train_epochs=2, per_device_train_batch_size=4, logging_steps=1, report_to=["tensorboard"],
        use_cpu=True, eval_strategy="epoch", save_strategy="no", disable_tqdm=True,
    )
    trainer = Trainer(Net(), arguments, train_dataset=rows, eval_dataset=rows)
    assert any(isinstance(callback, TensorBoardCallback) for callback in trainer.callback_handler.callbacks)
    trainer.train()
    done()
"""
)

IGNITE = (
    MODEL
    + """
    from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
    from ignite.handlers.tensorboard_logger import (
        GradsHistHandler, GradsScalarHandler, TensorboardLogger, WeightsHistHandler, WeightsScalarHandler,
        global_step_from_engine,
    )
    from ignite.metrics import MeanSquaredError

    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    trainer = create_supervised_trainer(model, optimizer, torch.nn.functional.mse_loss)
    evaluator = create_supervised_evaluator(model, {"mse": MeanSquaredError()})
    loader = torch.utils.data.DataLoader(data, 4)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(loader))
    with TensorboardLogger(log_dir=out) as logger:
        logger.attach_output_handler(
            trainer, Events.ITERATION_COMPLETED, tag="training", output_transform=lambda loss: {"loss": loss}
        )
        logger.attach_output_handler(
            evaluator, Events.EPOCH_COMPLETED, tag="validation", metric_names=["mse"],
            global_step_transform=global_step_from_engine(trainer),
        )
        logger.attach_opt_params_handler(trainer, Events.ITERATION_STARTED, optimizer)
        logger.attach(trainer, WeightsScalarHandler(model), Events.ITERATION_COMPLETED)
        logger.attach(trainer, WeightsHistHandler(model), Events.EPOCH_COMPLETED)
        logger.attach(trainer, GradsScalarHandler(model), Events.ITERATION_COMPLETED)
        logger.attach(trainer, GradsHistHandler(model), Events.EPOCH_COMPLETED)
        trainer.run(loader, max_epochs=2)
        assert isinstance(logger.writer, eventwriter_torch.SummaryWriter)
    done()
"""
)


def fit(code: str, folder: Path, package: str) -> list[str]:
    """Run a training; which of TensorBoard and TensorFlow it loaded."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    environment = dict(
        os.environ, CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", USE_TF="0", TRANSFORMERS_VERBOSITY="error",
        OMP_NUM_THREADS="1",
    )  # fmt: skip
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(folder)],
        capture_output=True, text=True, env=environment, cwd=folder, timeout=300,
    )  # fmt: skip
    assert 0 == made.returncode, made.stderr[-3000:]
    loaded: list[str] = json.loads(made.stdout.splitlines()[-1])
    return loaded


def series(logdir: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag → (step, value) of its scalars."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in readers.run_events(logdir):
        if row.kind == "simple_value":
            found.setdefault(row.tag, []).append((row.step, row.value))
    return found


def steps(points: list[tuple[int, Any]]) -> list[int]:
    return [step for step, _ in points]


def test_lightning(tmp_path: Path) -> None:
    """TensorBoardLogger: metrics of steps and epochs, dict metrics, hyperparameters, the graph."""
    assert [] == fit(LIGHTNING, tmp_path, "lightning")
    run = tmp_path / "x" / "version_3"
    got = series(run)
    assert list(range(8)) == steps(got["loss_step"])
    assert [3, 7] == steps(got["loss_epoch"]) == steps(got["val"])
    assert [(0, -1.0)] == got["hp_metric"]
    assert {"both_a": [0.0, 1, 2, 3] * 2, "both_b": [2.0] * 8} == {
        name: [value for _, value in series(run / name)["both"]] for name in ("both_a", "both_b")
    }
    rows = readers.run_events(run)
    (start,) = [row for row in rows if row.tag == "_hparams_/session_start_info"]
    hparams = HParamsPluginData.FromString(start.content).session_start_info.hparams
    assert (4, "net", True) == (hparams["width"].number_value, hparams["name"].string_value, hparams["deep"].bool_value)
    assert 1 == len([row for row in rows if row.kind == "graph_def"])
    assert (run / "hparams.yaml").is_file()


def test_transformers(tmp_path: Path) -> None:
    """TensorBoardCallback: losses, learning rates and evaluations at their steps, the arguments as text."""
    assert [] == fit(TRANSFORMERS, tmp_path, "transformers")
    (run,) = [path.parent for path in readers.event_files(tmp_path)]
    got = series(run)
    assert list(range(1, 9)) == steps(got["train/loss"]) == steps(got["train/learning_rate"])
    assert [4, 8] == steps(got["eval/loss"])
    assert all(value > 0 for _, value in got["train/loss"])
    (arguments,) = [row for row in readers.run_events(run) if row.tag == "args/text_summary"]
    assert 2 == json.loads(arguments.value[0])["num_train_epochs"]


def test_ignite(tmp_path: Path) -> None:
    """TensorboardLogger: outputs, metrics, learning rates, norms and histograms of weights and gradients."""
    assert [] == fit(IGNITE, tmp_path, "ignite")
    got = series(tmp_path)
    assert list(range(1, 9)) == steps(got["training/loss"]) == steps(got["lr/group_0"])
    assert [1, 2] == steps(got["validation/mse"])
    assert {"weights_norm/weight", "weights_norm/bias", "grads_norm/weight", "grads_norm/bias"} <= set(got)
    histograms = [(row.tag, row.step, row.value.num) for row in readers.run_events(tmp_path) if row.kind == "histo"]
    assert {("weights/weight", 1, 4.0), ("weights/weight", 2, 4.0), ("grads/bias", 2, 1.0)} <= set(histograms)
