"""The functions of `torch.utils.tensorboard.summary`: Summary messages for who wants to add them by themselves.

Knows: torch's names and signatures. Must not know: files, how a kind is encoded. `SummaryWriter` does not use them:
it prepares the same values and encodes them on the flush thread.

The messages are `eventwriter.proto`'s; every writer that takes Summary messages by their bytes takes them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eventwriter.proto import HistogramProto, Summary
from eventwriter.summary import Deferred
from eventwriter_torch import _prepare, _prepare_media

__all__ = [
    "audio",
    "compute_curve",
    "custom_scalars",
    "draw_boxes",
    "half_to_int",
    "histogram",
    "histogram_raw",
    "hparams",
    "image",
    "image_boxes",
    "int_to_half",
    "make_histogram",
    "make_image",
    "make_video",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor_proto",
    "text",
    "video",
]


def _message(value: Deferred) -> Summary:
    return Summary(value=value.values())


# ---- numbers


def scalar(
    name: str,
    tensor: Any,
    collections: Any = None,  # noqa: ARG001 -- torch has it and does not use it either
    new_style: bool = False,
    double_precision: bool = False,
) -> Summary:
    """One number; with `new_style` and `double_precision` a double, which TensorBoard does not show by default."""
    return _message(_prepare.scalar(name, tensor, new_style=new_style, double=double_precision))


def tensor_proto(tag: str, tensor: Any) -> Summary:
    """A tensor of any dtype, bit for bit."""
    return _message(_prepare.tensor(tag, tensor))


def half_to_int(f: float) -> int:
    """The bits of a number as a half-precision float, as a TensorProto's `half_val` has them."""
    return int(struct.unpack("<H", struct.pack("<e", f))[0])


def int_to_half(i: int) -> float:
    """The number with these bits of a half-precision float."""
    return float(struct.unpack("<e", struct.pack("<H", i))[0])


# ---- distributions


def histogram_raw(
    name: str,
    min: float,  # noqa: A002 -- torch's names
    max: float,  # noqa: A002
    num: float,
    sum: float,  # noqa: A002
    sum_squares: float,
    bucket_limits: Any,
    bucket_counts: Any,
) -> Summary:
    """A histogram that is counted already."""
    return _message(_prepare.histogram_raw(name, min, max, num, sum, sum_squares, bucket_limits, bucket_counts))


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """A histogram over `bins`: "tensorflow", or what numpy.histogram takes."""
    return _message(_prepare.histogram(name, values, bins=bins, max_bins=max_bins))


def make_histogram(values: Any, bins: Any, max_bins: int | None = None) -> HistogramProto:
    """The histogram alone."""
    return histogram("values", values, bins, max_bins).value[0].histo


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,  # noqa: ARG001 -- torch has it; the arrays say how many there are
    weights: Any = None,  # noqa: ARG001 -- torch has it and does not use it either
) -> Summary:
    """A precision-recall curve that is counted already."""
    return _message(_prepare.pr_curve_raw(tag, tp, fp, tn, fn, precision, recall))


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None) -> Summary:
    """Precision and recall of a binary classifier over all thresholds."""
    return _message(_prepare.pr_curve(tag, labels, predictions, num_thresholds=num_thresholds, weights=weights))


def compute_curve(
    labels: Any, predictions: Any, num_thresholds: int | None = None, weights: Any = None
) -> npt.NDArray[np.float32]:
    """[6, n]: true and false positives, true and false negatives, precision and recall at each threshold."""
    message = pr_curve("curve", labels, predictions, num_thresholds or 127, weights)
    return np.frombuffer(message.value[0].tensor.tensor_content, "<f4").reshape(6, -1)


def mesh(
    tag: str,
    vertices: Any,
    colors: Any,
    faces: Any,
    config_dict: Mapping[str, Any] | None,
    display_name: str | None = None,
    description: str | None = None,
) -> Summary:
    """Meshes or point clouds."""
    value = _prepare.mesh(
        tag, vertices, colors=colors, faces=faces, config_dict=config_dict, display_name=display_name,
        description=description,
    )  # fmt: skip
    return _message(value)


# ---- pictures, sound, words


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """An image, or several in a grid."""
    return _message(_prepare_media.image(tag, tensor, dataformats=dataformats, rescale=rescale))


def image_boxes(
    tag: str,
    tensor_image: Any,
    tensor_boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Sequence[str] | None = None,
) -> Summary:
    """An image with boxes drawn on it."""
    value = _prepare_media.image_with_boxes(
        tag, tensor_image, tensor_boxes, dataformats=dataformats, rescale=rescale, labels=labels
    )
    return _message(value)


def draw_boxes(disp_image: Any, boxes: Any, labels: Sequence[str] | None = None) -> Any:
    """Draw boxes [n, 4] (left, top, right, bottom) on a PIL image, which is returned."""
    return _prepare_media.draw_boxes(disp_image, boxes, labels)


def make_image(tensor: Any, rescale: float = 1, rois: Any = None, labels: Sequence[str] | None = None) -> Summary.Image:
    """The image alone, of [height, width, channels]."""
    if rois is None:
        return image("image", tensor, rescale, "HWC").value[0].image
    return image_boxes("image", tensor, rois, rescale, "HWC", labels).value[0].image


def video(tag: str, tensor: Any, fps: float = 4) -> Summary:
    """A video, or several in a grid, as a GIF."""
    return _message(_prepare_media.video(tag, tensor, fps=fps))


def make_video(tensor: Any, fps: float) -> Summary.Image:
    """The GIF alone, of [frames, height, width, channels]."""
    frames = np.asarray(tensor)[np.newaxis]
    return _message(_prepare_media.video("video", frames, fps=fps, dataformats="NTHWC")).value[0].image


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """A clip of one or two channels."""
    return _message(_prepare_media.audio(tag, tensor, sample_rate=sample_rate))


def text(tag: str, text: str) -> Summary:
    """Markdown."""
    return _message(_prepare.text(tag, text))


# ---- what describes a run


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> Summary:
    """A layout of the Custom Scalars dashboard."""
    return _message(_prepare.custom_scalars(layout))


def hparams(
    hparam_dict: Mapping[str, Any] | None = None,
    metric_dict: Mapping[str, Any] | None = None,
    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """Experiment, session start and session end, to be added to the run that has the metrics.

    Raises:
        TypeError, ValueError: as in torch.
    """
    started, values, ended = _prepare.hparams(hparam_dict, metric_dict, hparam_domain_discrete, time.time())
    return _message(started), _message(values), _message(ended)
