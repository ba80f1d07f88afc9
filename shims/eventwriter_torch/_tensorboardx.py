"""tensorboardX's classes where they differ from torch's: for `install()`.

Knows: tensorboardX's signatures and folders. Must not know: how anything is logged.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from eventwriter_torch import _prepare, writer
from eventwriter_torch._adds import Step
from eventwriter_torch.file_writer import FileWriter


class SummaryWriter(writer.SummaryWriter):
    """tensorboardX's SummaryWriter. Tags stay as they are: tensorboardX replaces most signs in them by `_`."""

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        comet_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if comet_config is not None and not comet_config.get("disabled", False):
            _prepare.warn_once("comet", "SummaryWriter: nothing is sent to Comet: eventwriter only writes event files")
        super().__init__(
            logdir or log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix,
            write_to_disk=write_to_disk, **kwargs,
        )  # fmt: skip

    @property
    def logdir(self) -> str | os.PathLike[str]:
        """The run's folder."""
        return self.log_dir

    def add_scalar(  # type: ignore[override] # tensorboardX's order
        self,
        tag: str,
        scalar_value: Any,
        global_step: Step = None,
        walltime: float | None = None,
        display_name: str | None = "",
        summary_description: str | None = "",
    ) -> None:
        """Add one number."""
        super().add_scalar(
            tag, scalar_value, global_step, walltime,
            display_name=display_name or None, summary_description=summary_description or None,
        )  # fmt: skip

    def add_hparams(  # type: ignore[override] # tensorboardX's order
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        name: str | None = None,
        global_step: Step = None,
    ) -> None:
        """Add a set of hyperparameters and what came of them, as the sub-run `name`."""
        super().add_hparams(hparam_dict, metric_dict, run_name=name, global_step=global_step)

    def _line_folder(self, root: str, main_tag: str, name: str) -> str:
        return f"{root}/{main_tag}/{name}"


class GlobalSummaryWriter:
    """tensorboardX's writer that counts the steps of each tag by itself; each process counts for itself."""

    _instance: GlobalSummaryWriter | None = None

    def __init__(
        self,
        logdir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: str | os.PathLike[str] | None = None,
        coalesce_process: bool = True,  # noqa: ARG002 -- tensorboardX has it and does not use it either
        **kwargs: Any,
    ) -> None:
        self.smw = SummaryWriter(
            logdir, comment, purge_step, max_queue, flush_secs, filename_suffix, write_to_disk, log_dir, **kwargs
        )

    def add_scalar(self, tag: str, scalar_value: Any, walltime: float | None = None) -> None:
        """Add one number at the tag's next step."""
        self.smw.add_scalar(tag, scalar_value, None, walltime)

    def add_image(self, tag: str, img_tensor: Any, walltime: float | None = None, dataformats: str = "CHW") -> None:
        """Add an image at the tag's next step."""
        self.smw.add_image(tag, img_tensor, None, walltime, dataformats)

    def add_text(self, tag: str, text_string: Any, walltime: float | None = None) -> None:
        """Add markdown at the tag's next step."""
        self.smw.add_text(tag, text_string, None, walltime)

    @staticmethod
    def getSummaryWriter() -> GlobalSummaryWriter:  # noqa: N802 -- tensorboardX's name
        """The one writer of this process."""
        if GlobalSummaryWriter._instance is None:
            GlobalSummaryWriter._instance = GlobalSummaryWriter()
        return GlobalSummaryWriter._instance

    @property
    def file_writer(self) -> FileWriter:
        """The run's FileWriter."""
        return self.smw._get_file_writer()

    def close(self) -> None:
        """Close the writer."""
        self.smw.close()
