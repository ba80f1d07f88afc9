"""The SummaryWriter of torch.utils.tensorboard, on eventwriter: change the import and keep the rest.

A table of contents. `install()` makes `torch.utils.tensorboard` and `tensorboardX` resolve to this package, for
programs whose imports are not yours to change.
"""

from __future__ import annotations

from eventwriter_torch._install import install as install
from eventwriter_torch._install import uninstall as uninstall
from eventwriter_torch.file_writer import FileWriter as FileWriter
from eventwriter_torch.record_writer import RecordWriter as RecordWriter
from eventwriter_torch.writer import SummaryWriter as SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter", "install", "uninstall"]
