"""`SummaryWriter`: torch.utils.tensorboard's, method by method, on eventwriter.

Knows: torch's signatures, a run and its sub-runs, steps that nobody gave. Must not know: how a kind is encoded, files.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self, SupportsInt

from eventwriter_torch import _device, _prepare, _ranks, file_writer
from eventwriter_torch._add_data import AddData
from eventwriter_torch._add_media import AddMedia
from eventwriter_torch._add_run import AddRun
from eventwriter_torch._adds import Step
from eventwriter_torch._sub_runs import SubRuns
from eventwriter_torch.file_writer import FileWriter, NullFileWriter, OnError


class SummaryWriter(AddData, AddMedia, AddRun):
    """Writes a run for TensorBoard: a drop-in for torch.utils.tensorboard's class of this name.

    Every method takes torch's arguments in torch's order; what is after the `*` is eventwriter's own or tensorboardX's.
    `global_step` is an int or becomes one; without it, a tag's first call is step 0, the next one 1, and so on.
    `walltime` is seconds since the epoch, now if not given. Data may be of any framework.

    It can be used from any thread, pickled, deep-copied and used in forked and spawned processes: each copy and each
    process starts a file of its own. After `close()` the next `add_*` starts a new file.

    Args:
        log_dir: the run's folder; `runs/DATE_HOST` and `comment` if not given.
        comment: see `log_dir`.
        purge_step: TensorBoard shall forget what earlier files of the run hold from this step on.
        max_queue: has no effect: what waits is bounded in bytes.
        flush_secs: seconds after which an event is visible to other processes at the latest; 0.25 if that is sooner.
        filename_suffix: added to the event files' names.
        logdir: tensorboardX's name for `log_dir`.
        write_to_disk: False: take everything and write nothing.
        ranks: in a distributed job, whose SummaryWriter writes: "zero", rank 0's; "all", each rank's to a sub-run of
            its own, `rank_0`, `rank_1`, … Two ranks never write one run.
        on_error: what happens when the disk fails: see `eventwriter.EventWriter`.
        new_style: histograms and texts in the form of TensorBoard's own summaries: 30 equal buckets, no empty one on
            the left; no table around a text.
        compat: in some things torch's output has another shape than ours because of a bug; True: write torch's. Bools
            among hyperparameters are numbers, `double_precision` is double, integer images other than uint8 are
            multiplied by 255, a second custom_scalars layout replaces the first.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        logdir: str | os.PathLike[str] | None = None,
        write_to_disk: bool = True,
        ranks: Literal["zero", "all"] = "zero",
        on_error: OnError = "warn",
        new_style: bool = False,
        compat: bool = False,
    ) -> None:
        if ranks not in ("zero", "all"):
            raise ValueError(f"ranks: want 'zero' or 'all', got {ranks!r}")
        self.log_dir: str | os.PathLike[str] = log_dir or logdir or _default_dir(comment)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self._write_to_disk = write_to_disk
        self._ranks = ranks
        self._on_error: OnError = on_error
        self._new_style = new_style
        self._compat = compat
        self._steps = {}
        self._layout = {}
        self._lines: dict[str, dict[str, None]] = {}  # tags that add_scalars(runs=False) draws in one chart
        self._sub_runs = SubRuns()
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    # ---- scalars

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Step = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
        *,
        display_name: str | None = None,
        summary_description: str | None = None,
    ) -> None:
        """Add one number: a number, a numeric str, or an array or tensor of one element, on any device.

        Args:
            new_style: as a tensor, which TensorBoard loads no slower and shows no differently.
            double_precision: with `new_style`: has no effect but a warning, since TensorBoard does not show doubles
                (unless the writer was made with `compat`).
            display_name, summary_description: shown with the chart; a tag's first call decides.

        Raises:
            AssertionError: more elements than one, or none.
        """
        # The usual call, at next to the core's own price.
        if (
            type(scalar_value) is float
            and type(global_step) is int
            and not new_style
            and walltime is None
            and display_name is None
            and summary_description is None
        ):
            usual = self.file_writer
            if usual is not None:
                usual.scalar(tag, scalar_value, global_step)
                return
        writer = self._get_file_writer()
        if not self._goes_ahead(writer, "scalar", tag, scalar_value):
            return
        if not (new_style or display_name or summary_description):
            self._scalar(writer, tag, scalar_value, self._step(writer, tag, global_step), walltime)
            return
        if new_style and double_precision and not self._compat:
            _prepare.warn_once(
                "double_precision",
                "scalar %r: TensorBoard's default loader does not show doubles, so it is written as float32",
                tag,
            )
        value = _prepare.scalar(
            tag, scalar_value, new_style=new_style, double=double_precision and self._compat,
            display_name=display_name or "", description=summary_description or "",
        )  # fmt: skip
        writer.log(value, self._step(writer, tag, global_step), wall_time=walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Step = None,
        walltime: float | None = None,
        *,
        runs: bool = True,
    ) -> None:
        """Add several numbers that belong into one chart.

        Args:
            main_tag: the chart's name.
            tag_scalar_dict: name of a line to its value, as in `add_scalar`.
            runs: each line is a run of its own, `LOGDIR/MAIN_TAG_NAME`, as in torch: the chart is among the scalars,
                and each line has its colour. False: all in this run, under the tags `MAIN_TAG/NAME`, and drawn as one
                chart in the Custom Scalars dashboard: one file and one event, however many lines.
        """
        main = self._get_file_writer()
        if not self._goes_ahead(main, "scalars", main_tag, list(tag_scalar_dict.values())):
            return
        wall = main.wall_time(walltime)
        if not runs:
            self._add_lines(main, main_tag, tag_scalar_dict, global_step, wall)
            return
        wall = time.time() if wall is None else wall
        for name, value in tag_scalar_dict.items():
            folder = self._line_folder(main.get_logdir(), main_tag, name)
            writer = self._sub_run(folder)
            self._scalar(writer, main_tag, value, self._step(main, f"{folder}\0{main_tag}", global_step), wall)

    def _line_folder(self, root: str, main_tag: str, name: str) -> str:
        return f"{root}/{main_tag.replace('/', '_')}_{name}"

    def _add_lines(
        self, writer: FileWriter, main_tag: str, values: Mapping[str, Any], global_step: Step, wall: float | None
    ) -> None:
        step = self._step(writer, main_tag, global_step)
        tags = {f"{main_tag}/{name}": value for name, value in values.items()}
        lines = self._lines.setdefault(main_tag, {})
        if not lines.keys() >= tags.keys():
            lines.update(dict.fromkeys(tags))
            self.add_custom_scalars_multilinechart(
                [f"^{re.escape(tag)}$" for tag in lines], category="scalars", title=main_tag
            )
        if any(_device.queue_of(value) is not None for value in tags.values()):
            for tag, value in tags.items():
                self._scalar(writer, tag, value, step, wall)
        else:
            numbers = {tag: _prepare.one_number(tag, value) for tag, value in tags.items()}
            writer.scalars(numbers, step, wall_time=wall)

    # ---- files

    def _get_file_writer(self) -> FileWriter:
        """The run's FileWriter; a new one after `close()`."""
        writer = self.file_writer
        if writer is not None and self.all_writers is not None:
            return writer
        with file_writer.lock:
            if self.file_writer is None or self.all_writers is None:
                self._open()
            assert self.file_writer is not None  # noqa: S101 -- `_open` made it
            return self.file_writer

    def _open(self) -> None:
        folder = str(self.log_dir)
        rank, size = _ranks.rank_and_size()
        if size > 1 and self._ranks == "all":
            folder = f"{folder}/rank_{rank:0{len(str(size - 1))}d}"
        if not self._write_to_disk:
            writer: FileWriter = NullFileWriter(folder)
        elif rank > 0 and self._ranks == "zero":
            _prepare.warn_once(
                "rank", "rank %d of %d writes nothing, rank 0 does; SummaryWriter(ranks='all') writes a run for each",
                rank, size,
            )  # fmt: skip
            writer = NullFileWriter(folder)
        else:
            writer = self._new_writer(folder, self.purge_step)
        self.purge_step = None
        self._sub_runs = SubRuns()
        self.all_writers = {writer.get_logdir(): writer}
        self.file_writer = writer

    def _new_writer(self, folder: str, purge_step: int | None = None) -> FileWriter:
        return FileWriter(
            folder, self.max_queue, self.flush_secs, self.filename_suffix,
            purge_step=purge_step, on_error=self._on_error,
        )  # fmt: skip

    def _sub_run(self, folder: str) -> FileWriter:
        self._get_file_writer()
        writers = self.all_writers
        assert writers is not None  # noqa: S101 -- made with the file writer
        return self._sub_runs.use(folder, writers, self._new_writer)

    def get_logdir(self) -> str | os.PathLike[str]:
        """The run's folder, as it was given."""
        return self.log_dir

    @contextlib.contextmanager
    def use_metadata(self, *, global_step: SupportsInt | None = None, walltime: float | None = None) -> Iterator[Self]:
        """Step and wall time, within the `with` block, for `add_*` calls that give none themselves."""
        with self._get_file_writer().use_metadata(global_step=global_step, walltime=walltime):
            yield self

    def flush(self) -> None:
        """Wait until everything added so far, to sub-runs too, is visible to other processes."""
        for writer in list((self.all_writers or {}).values()):
            writer.flush()

    def close(self) -> None:
        """Write what is pending and close all files. Closing again does nothing; the next `add_*` starts a new file."""
        writers, self.file_writer, self.all_writers = self.all_writers, None, None
        for writer in list((writers or {}).values()):
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # A copy has the settings and the steps, and opens files of its own when it needs them.
        return vars(self) | {"file_writer": None, "all_writers": None, "_sub_runs": None}


def _default_dir(comment: str) -> str:
    import socket
    from datetime import datetime

    now = datetime.now().strftime("%b%d_%H-%M-%S")  # noqa: DTZ005 -- local time, as torch
    return os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")  # noqa: PTH118 -- a str, as torch
