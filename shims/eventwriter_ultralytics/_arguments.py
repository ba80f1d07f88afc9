"""A training's arguments, as hyperparameters and as a table.

Knows: which of Ultralytics' arguments say how a model is trained, and what a trainer makes of them. Must not know:
how they are logged.
"""

from __future__ import annotations

from typing import Any

# Arguments of a training that do not say how a model is trained: where things are, what is shown, saved or exported.
_PLACES = {
    "mode",
    "device",
    "workers",
    "project",
    "name",
    "save_dir",
    "exist_ok",
    "cache",
    "resume",
    "compile",
    "tracker",
}
_OUTPUT = {"save", "save_period", "verbose", "profile", "plots", "save_json", "cfg", "channels_last"}
_VALIDATION = {"val", "split", "conf", "iou", "max_det", "half", "dnn", "quantize", "nms", "agnostic_nms", "augment"}
_PREDICTION = {
    "source", "vid_stride", "stream_buffer", "visualize", "classes", "retina_masks", "embed", "show", "save_frames",
    "save_txt", "save_conf", "save_crop", "show_labels", "show_conf", "show_boxes", "line_width",
}  # fmt: skip
_EXPORT = {"format", "keras", "optimize", "int8", "dynamic", "simplify", "opset", "workspace"}
_NOT_HPARAMS = _PLACES | _OUTPUT | _VALIDATION | _PREDICTION | _EXPORT


def hparams(trainer: Any) -> dict[str, Any]:
    """Name to value; of an optimizer and a learning rate that were left to Ultralytics, what it chose."""
    arguments = {name: value for name, value in vars(trainer.args).items() if name not in _NOT_HPARAMS}
    if str(arguments.get("optimizer")).lower() == "auto":
        arguments["optimizer"] = type(trainer.optimizer).__name__
        rates = [group.get("initial_lr") for group in trainer.optimizer.param_groups]
        arguments["lr0"] = rates[0] if rates else None
    return {name: _plain(value) for name, value in arguments.items()}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def metrics(trainer: Any) -> list[str]:
    """The tags of a validation's metrics."""
    return list(trainer.validator.metrics.keys)


def table(trainer: Any) -> list[list[str]]:
    """All arguments."""
    return [["argument", "value"], *([name, str(value)] for name, value in sorted(vars(trainer.args).items()))]
