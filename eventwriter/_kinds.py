"""The methods of `EventWriter` for everything but scalars: one for each kind, each one call of its function.

Knows: the functions of `eventwriter.summary` and what a writer remembers between two calls of them. Must not know:
how a kind is encoded, files, threads.

What all have in common:

* `step` is an int64, `wall_time` seconds since the epoch (now if not given).
* `description` (markdown) and `display_name` are shown with the chart; a tag's first record decides.
* Data may be of any framework: numpy, torch, TensorFlow, jax, what has `__array__` or `__dlpack__`, lists.
* The call checks its arguments, copies the data once and returns; TypeError and ValueError are raised here, with
  the tag, what was got and what was wanted. The rest happens on the flush thread.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

if TYPE_CHECKING:
    from eventwriter._pending import FilesOfAnEvent
    from eventwriter.summary._deferred import Deferred
    from eventwriter.summary.custom_scalars import Charts
    from eventwriter.summary.hparams import Domain, Metric

Step = SupportsIndex


class Kinds(ABC):
    """One method for each kind of data that TensorBoard shows."""

    _charts: Charts | None = None
    _layouts = 0
    _session: Literal["none", "running", "ended"] = "none"

    @property
    @abstractmethod
    def logdir(self) -> str: ...

    @abstractmethod
    def log(self, value: Deferred, step: Step, *, wall_time: float | None = None) -> None: ...

    @abstractmethod
    def _log_graph(self, graph: bytes, run_metadata: tuple[str, bytes] | None, step: Step) -> None: ...

    @abstractmethod
    def _log_files(self, files: FilesOfAnEvent, what: str) -> None: ...

    @abstractmethod
    def _check(self, kind: str, tag: object, data: object = None) -> None: ...

    def _value(self, kind: str, tag: str, value: Deferred, step: Step, wall_time: float | None) -> None:
        value.what = f"{kind} {tag!r}"
        self.log(value, step, wall_time=wall_time)

    # ---- distributions

    def histogram(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        buckets: int = 30,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log how the elements of an array are distributed, over `buckets` equal buckets.

        Args:
            data: real numbers or bools of any shape and dtype. NaN and infinities are left out of the histogram, and
                their number is logged beside it as the scalar `TAG/nonfinite`.
            buckets: at least 1.
        """
        from eventwriter.summary.histogram import histogram

        self._check("histogram", tag, data)
        value = histogram(tag, data, buckets=buckets, description=description, display_name=display_name)
        self._value("histogram", tag, value, step, wall_time)

    def histogram_raw(
        self,
        tag: str,
        edges: Any,
        counts: Any,
        step: Step,
        *,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log a histogram that is counted already: `counts[i]` is for `edges[i]` to `edges[i + 1]`."""
        from eventwriter.summary.histogram import histogram_raw

        self._check("histogram_raw", tag)
        value = histogram_raw(tag, edges, counts, description=description, display_name=display_name)
        self._value("histogram_raw", tag, value, step, wall_time)

    def pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        step: Step,
        *,
        num_thresholds: int = 127,
        weights: Any = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log precision and recall of a binary classifier over all thresholds.

        Args:
            labels: bools, or numbers from 0 to 1.
            predictions: probabilities of the class, in the shape of `labels`.
            num_thresholds: at least 2; the same for all steps of a tag.
            weights: what each example counts, 1 by default.
        """
        from eventwriter.summary.pr_curve import pr_curve

        self._check("pr_curve", tag)
        value = pr_curve(
            tag, labels, predictions, num_thresholds=num_thresholds, weights=weights, description=description,
            display_name=display_name,
        )  # fmt: skip
        self._value("pr_curve", tag, value, step, wall_time)

    def pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        step: Step,
        *,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log a precision-recall curve that is counted already: [n] numbers each, at n evenly rising thresholds."""
        from eventwriter.summary.pr_curve import pr_curve_raw

        self._check("pr_curve_raw", tag)
        value = pr_curve_raw(
            tag, true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision,
            recall, description=description, display_name=display_name,
        )  # fmt: skip
        self._value("pr_curve_raw", tag, value, step, wall_time)

    # ---- words and numbers

    def text(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log markdown: a str, or lists or an array of them, shown as a table."""
        from eventwriter.summary.text import text

        self._check("text", tag)
        self._value("text", tag, text(tag, data, description=description, display_name=display_name), step, wall_time)

    def tensor(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log an array bit for bit, of any dtype. Of these TensorBoard shows single numbers only."""
        from eventwriter.summary.tensor import tensor

        self._check("tensor", tag, data)
        value = tensor(tag, data, description=description, display_name=display_name)
        self._value("tensor", tag, value, step, wall_time)

    def mesh(
        self,
        tag: str,
        vertices: Any,
        step: Step,
        *,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log meshes or point clouds.

        Args:
            vertices: [meshes, points, 3] or [points, 3] coordinates.
            colors: of the vertices, in their shape, 0 to 255.
            faces: [meshes, triangles, 3] or [triangles, 3] vertices by number.
            config_dict: three.js classes and their arguments for camera, lights and material.
        """
        from eventwriter.summary.mesh import mesh

        self._check("mesh", tag)
        value = mesh(
            tag, vertices, colors=colors, faces=faces, config_dict=config_dict, description=description,
            display_name=display_name,
        )  # fmt: skip
        self._value("mesh", tag, value, step, wall_time)

    # ---- what describes a run

    def custom_scalars(self, layout: Charts, *, wall_time: float | None = None) -> None:
        """Lay out charts of the Custom Scalars dashboard. A second call adds to the first.

        Args:
            layout: category → chart title → ["Multiline", [tag, …]] or ["Margin", [value, lower, upper]]. Tags of a
                Multiline chart may be regular expressions.
        """
        from eventwriter.summary.custom_scalars import custom_scalars, merge

        charts = merge(self._charts or {}, layout)  # a copy: the caller's may change
        value = custom_scalars(charts)
        value.what = "custom_scalars"
        self.log(value, self._layouts, wall_time=wall_time)
        self._charts = charts
        self._layouts += 1

    def hparams(
        self,
        hparams: Mapping[str, Any],
        metrics: Iterable[str | Metric] = (),
        *,
        domains: Mapping[str, Domain] | None = None,
        display_names: Mapping[str, str] | None = None,
        group_name: str | None = None,
        description: str | None = None,
    ) -> None:
        """Log this run's hyperparameters, once: the dashboard ignores a second time.

        `close` ends the run as a success, or as a failure if the `with` block was left by an exception; `end_session`
        says otherwise. Until then the dashboard shows its status as unknown.

        TensorBoard takes the columns of its table from one run of all, so runs that are compared should name the same
        hyperparameters and metrics; where no run says anything but values, it finds the columns by itself.

        Args:
            hparams: name to any value: bools, numbers and strs stay what they are, of enums the name is shown, of all
                else the str; None is left out.
            metrics: tags of scalars of this run to show beside them, or `Metric`s. Log them as usual: their curves
                stay whole, the dashboard shows the last value.
            domains: name to the values it may have, or an `Interval`: what the dashboard offers to filter by.
            display_names: name to what to show instead.
            group_name: runs of one group are repeated trials of the same values, shown as one row.
            description: of the experiment, markdown.
        """
        from eventwriter.summary.hparams import experiment, session_start

        if self._session != "none":
            raise ValueError("hparams: want one call for each run, got a second; TensorBoard would ignore it")
        now = time.time()
        metrics = tuple(metrics)
        values = session_start(hparams, start_time_secs=now, group_name=group_name)
        values.what = "hparams"
        if metrics or domains or display_names or description:
            columns = experiment(
                hparams, metrics, domains=domains, display_names=display_names, description=description,
                time_created_secs=now,
            )  # fmt: skip
            columns.what = "hparams"
            self.log(columns, 0)
        self.log(values, 0)
        self._session = "running"

    def end_session(self, status: Literal["success", "failure"] = "success") -> None:
        """Say how the run with these hyperparameters ended; without it `close` does."""
        from eventwriter.summary.hparams import session_end

        if self._session != "running":
            raise ValueError(f"end_session: want a session that hparams() began, got one that is {self._session}")
        value = session_end(status, end_time_secs=time.time())
        value.what = "end_session"
        self.log(value, 0)
        self._session = "ended"

    def embedding(
        self,
        tag: str,
        mat: Any,
        step: int = 0,
        *,
        metadata: Sequence[Any] | None = None,
        metadata_header: Sequence[str] | None = None,
        label_img: Any = None,
    ) -> None:
        """Write points for the Projector dashboard: files beside the event file, and an entry in their common config.

        Args:
            mat: [n, d] numbers, stored as float32.
            metadata: a label for each point, or with `metadata_header` a sequence of them.
            label_img: [n, channels, height, width] or [n, height, width, channels] images of the points.
        """
        from eventwriter.summary.embedding import embedding

        self._check("embedding", tag)
        files = embedding(
            self.logdir, tag, mat, metadata=metadata, metadata_header=metadata_header, label_img=label_img, step=step
        )
        self._log_files(files, f"embedding {tag!r}")

    def graph(self, graph: Any, *, run_metadata: Any = None, step: Step = 0, step_name: str = "step1") -> None:
        """Log a graph for the Graphs dashboard.

        Args:
            graph: a GraphDef: its bytes, or a message of any package.
            run_metadata: a RunMetadata likewise: device, time and memory of the nodes.
            step_name: what the dashboard calls `run_metadata`.
        """
        from eventwriter.summary import graph as graphs

        content = graphs.graph(graph)
        costs = None if run_metadata is None else (step_name, graphs.run_metadata(run_metadata))
        self._log_graph(content, costs, step)
