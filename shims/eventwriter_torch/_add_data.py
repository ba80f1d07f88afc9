"""The methods of `SummaryWriter` for numbers, words and shapes.

Knows: torch's signatures, and which function prepares what they take. Must not know: files, how a kind is encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from eventwriter_torch import _device, _device_histogram, _prepare
from eventwriter_torch._adds import Adds, Step


class AddData(Adds):
    """Tensors, histograms, texts, PR curves, meshes."""

    _bins: list[float] | None = None

    @property
    def default_bins(self) -> list[float]:
        """The edges that `bins="tensorflow"` stands for: 0 and ±1e-12 · 1.1ᵏ below 1e20. Can be set."""
        if self._bins is None:
            return list(_device_histogram.default_edges().tolist())
        return self._bins

    @default_bins.setter
    def default_bins(self, bins: list[float]) -> None:
        self._bins = bins

    def add_tensor(self, tag: str, tensor: Any, global_step: Step = None, walltime: float | None = None) -> None:
        """Add a tensor, bit for bit. TensorBoard shows it if it is one number; programs can read all of them."""
        self._add(_prepare.tensor, tag, global_step, walltime, tensor)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Step = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Add a histogram. One of a device's tensor is counted there, without the host waiting for it.

        Args:
            values: numbers or bools of any shape and dtype. NaN and infinities are left out, and their number is
                added as the scalar `TAG/nonfinite`.
            bins: "tensorflow" for `default_bins`; or what numpy.histogram takes: a rule's name, a number of bins,
                rising edges. Without effect if the writer was made with `new_style`.
            max_bins: neighbours are merged until there are about so many.
        """
        if self._bins is not None and isinstance(bins, str) and bins == "tensorflow":
            bins = self._bins
        if self._add_on_device(tag, values, global_step, bins, walltime, max_bins):
            return
        options: dict[str, Any] = {"new_style": True} if self._new_style else {"bins": bins, "max_bins": max_bins}
        self._add(_prepare.histogram, tag, global_step, walltime, values, **options)

    def _add_on_device(
        self, tag: str, values: Any, global_step: Step, bins: Any, walltime: float | None, max_bins: int | None
    ) -> bool:
        """Count where the tensor is. False if that cannot be: rules, say, need all of the data on the host."""
        queue = _device.queue_of(values)
        if queue is None or not values.numel() or values.dtype.is_complex or _device.queue_of(bins) is not None:
            return False
        edges: np.ndarray[Any, np.dtype[np.float64]] | None = None
        if not self._new_style:
            if max_bins is not None:
                return False
            if isinstance(bins, str):
                if bins != "tensorflow":
                    return False
            elif np.ndim(bins) == 1 and len(bins) > 1 and not np.any(np.diff(bins) < 0):
                edges = np.asarray(bins, np.float64)
            else:
                return False
        writer = self._get_file_writer()
        if not self._goes_ahead(writer, "histogram", tag, values):
            return True
        what = f"histogram {tag!r}"
        try:
            if self._new_style:
                value = _device_histogram.uniform(tag, values, queue, 30, what)
            else:
                value = _device_histogram.legacy(tag, values, queue, edges, what)
        except RuntimeError:  # out of memory, or an operation that this device has not: then on the host
            return False
        writer.log(value, self._step(writer, tag, global_step), wall_time=walltime)
        return True

    def add_histogram_raw(
        self,
        tag: str,
        min: float,  # noqa: A002 -- torch's names
        max: float,  # noqa: A002
        num: float,
        sum: float,  # noqa: A002
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Step = None,
        walltime: float | None = None,
    ) -> None:
        """Add a histogram that is counted already.

        Args:
            min, max, num, sum, sum_squares: of the elements.
            bucket_limits: the right edge of each bucket.
            bucket_counts: as many counts.
        """
        self._add(
            _prepare.histogram_raw, tag, global_step, walltime,
            min, max, num, sum, sum_squares, bucket_limits, bucket_counts,
        )  # fmt: skip

    def add_text(self, tag: str, text_string: Any, global_step: Step = None, walltime: float | None = None) -> None:
        """Add markdown: a str, or lists or an array of them, shown as a table. Its tag is `TAG/text_summary`."""
        self._add(
            _prepare.text, tag, global_step, walltime, text_string,
            in_table=not self._new_style, suffix="/text_summary",
        )  # fmt: skip

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Step = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add precision and recall of a binary classifier over all thresholds.

        Args:
            labels: 0 or 1 for each example.
            predictions: the probability of 1, in the same shape.
            num_thresholds: how many thresholds; 127 at most.
            weights: what each example counts, 1 by default.
        """
        self._add(
            _prepare.pr_curve, tag, global_step, walltime, labels, predictions,
            num_thresholds=num_thresholds, weights=weights,
        )  # fmt: skip

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Step = None,
        num_thresholds: int = 127,  # noqa: ARG002 -- torch has it; the arrays say how many there are
        weights: Any = None,  # noqa: ARG002 -- torch has it and does not use it either
        walltime: float | None = None,
    ) -> None:
        """Add a precision-recall curve that is counted already: as many numbers each as there are thresholds."""
        self._add(
            _prepare.pr_curve_raw, tag, global_step, walltime,
            true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall,
        )  # fmt: skip

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Step = None,
        walltime: float | None = None,
    ) -> None:
        """Add meshes, or point clouds where there are no faces.

        Args:
            vertices: [meshes, points, 3] coordinates.
            colors: of the vertices, in their shape: 0 to 255, or floats from 0 to 1.
            faces: [meshes, triangles, 3]: each face's vertices by number.
            config_dict: three.js classes and their arguments for camera, lights and material.
        """
        self._add(
            _prepare.mesh, tag, global_step, walltime, vertices,
            colors=colors, faces=faces, config_dict=config_dict, suffix="_VERTEX",
        )  # fmt: skip
