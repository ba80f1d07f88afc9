"""The methods of `SummaryWriter` for what describes a run as a whole.

Knows: torch's signatures for layouts, embeddings, graphs and hyperparameters, and the run that those are given.
Must not know: encoding, how many files are open.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eventwriter.summary.custom_scalars import merge
from eventwriter_torch import _prepare
from eventwriter_torch._adds import Adds, Step
from eventwriter_torch.file_writer import FileWriter

_LAYOUT_TAG = "custom_scalars__config__"


class AddRun(Adds):
    """Custom scalars, embeddings, graphs, hyperparameters."""

    _layout: dict[str, dict[str, Any]]
    all_writers: dict[str, FileWriter] | None

    @abstractmethod
    def _new_writer(self, folder: str, purge_step: int | None = None) -> FileWriter: ...

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart with a line for each of these tags (or regular expressions) to the Custom Scalars dashboard."""
        self._add_layout({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Add a chart of a value between two bounds: exactly three tags (value, lower, upper)."""
        if len(tags) != 3:
            raise AssertionError(f"custom_scalars {title!r}: want 3 tags for a margin, got {len(tags)}")
        self._add_layout({category: {title: ["Margin", tags]}})

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Add charts to the Custom Scalars dashboard: to those of earlier calls, whatever method they used.

        Args:
            layout: category to chart title to ["Multiline", [tag, …]] or ["Margin", [value, lower, upper]].
        """
        self._add_layout(layout)

    def _add_layout(self, layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        writer = self._get_file_writer()
        charts = _prepare.as_charts(layout)
        merged: dict[str, dict[str, Any]] = charts if self._compat else merge(self._layout, charts)
        value = _prepare.custom_scalars(merged)
        value.what = "custom_scalars"
        # Each later layout at a later step: the last one of a run is what the dashboard draws.
        writer.log(value, self._step(writer, _LAYOUT_TAG, None))
        self._layout = merged

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence[Any] | None = None,
        label_img: Any = None,
        global_step: Step = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Add points for the projector: files beside the event file, and an entry in `projector_config.pbtxt`.

        Args:
            mat: [n, d] numbers. Those on a device are waited for.
            metadata: a label for each point, or with `metadata_header` a sequence of them.
            label_img: [n, channels, height, width] images of the points.
            global_step: 0 if not given.
            metadata_header: names of the columns of `metadata`.
        """
        writer = self._get_file_writer()
        if not self._goes_ahead(writer, "embedding", tag, [mat, label_img]):
            return
        for name, part in (("labels", metadata), ("images", label_img)):
            if part is not None and len(part) != len(mat):
                raise AssertionError(
                    f"embedding {tag!r}: want as many {name} as points, got {len(part)} and {len(mat)}"
                )
        step = writer.default_step if global_step is None else int(global_step)
        writer.embedding(tag, mat, step or 0, metadata=metadata, metadata_header=metadata_header, label_img=label_img)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Add a model's graph: see `eventwriter_torch.graph.build`. A model that has none to show is a warning.

        Args:
            model: a module, compiled or wrapped or not, a traced or scripted one, an ExportedProgram, a function.
            input_to_model: a tensor, or a tuple, list or mapping of arguments.
            verbose: print the traced graph.
            use_strict_trace: passed to `torch.jit.trace` as `strict`.
        """
        from eventwriter_torch import graph

        writer = self._get_file_writer()
        if writer.writes:
            built = graph.build(model, input_to_model, verbose, use_strict_trace)
            if built is not None:
                writer.add_graph(built)

    def add_onnx_graph(self, prototxt: Any) -> None:
        """Add the graph of an ONNX file. Needs the package `onnx`."""
        from eventwriter_torch import _onnx

        writer = self._get_file_writer()
        if writer.writes:
            writer.add_onnx_graph(_onnx.load_onnx_graph(prototxt))

    # ---- hyperparameters

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: Step = None,
        *,
        name: str | None = None,
    ) -> None:
        """Add a set of hyperparameters and what came of them, as a sub-run.

        Args:
            hparam_dict: name to bool, number, str or tensor of one element; None is left out.
            metric_dict: the scalars' tags and values.
            hparam_domain_discrete: name to all values that it can have.
            run_name: the sub-run's folder in the run's; one that is named by the time if not given. "." is the run
                itself. TensorBoard shows the first set of a run only.
            global_step: of the metrics; 0 if not given.
            name: tensorboardX's name for `run_name`.

        Raises:
            TypeError, ValueError: as in torch.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparams: want a dict as hparam_dict and as metric_dict")
        summaries = _prepare.hparams(
            hparam_dict, metric_dict, hparam_domain_discrete, time.time(), bool_as_number=self._compat
        )
        main = self._get_file_writer()
        if not main.writes:
            return
        run_name = run_name or name
        root = main.get_logdir()
        folder = _new_folder(root) if not run_name else os.path.normpath(f"{root}/{run_name}")
        known = {os.path.normpath(other): writer for other, writer in (self.all_writers or {}).items()}
        writer = known.get(folder) or self._new_writer(folder)
        step = main.default_step if global_step is None else int(global_step)
        for summary in summaries:
            writer.log(summary, step or 0)
        for tag, value in metric_dict.items():
            at = self._step(main, tag, None) if writer is main and step is None else step or 0
            self._scalar(writer, tag, value, at, None)
        if folder not in known:
            writer.close()


def _new_folder(root: str) -> str:
    """Make a folder in `root` that nobody else has, named by the time: what is not named is told apart by it."""
    name = time.strftime("hparams_%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        folder = Path(root, name if number == 1 else f"{name}_{number:03d}")
        try:
            folder.mkdir(parents=True)
            return str(folder)
        except FileExistsError:
            number += 1
