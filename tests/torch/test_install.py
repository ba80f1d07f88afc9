"""install(): imports of torch.utils.tensorboard and tensorboardX give eventwriter_torch, until uninstall()."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import readers


def run(code: str, *arguments: str) -> str:
    """A fresh interpreter; what it prints."""
    made = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert 0 == made.returncode, made.stderr
    return made.stdout


def test_imports_give_ours_and_load_none_of_theirs() -> None:
    """In every form of import that is in use, sub-modules too."""
    run("""if True:
        import sys
        import eventwriter_torch
        eventwriter_torch.install()
        import torch.utils.tensorboard
        import torch.utils.tensorboard as tb
        from torch.utils.tensorboard import FileWriter, RecordWriter, SummaryWriter
        from torch.utils.tensorboard.writer import SummaryWriter as again
        from torch.utils.tensorboard.summary import hparams
        from torch.utils.tensorboard import summary
        from torch.utils import tensorboard as via
        assert SummaryWriter is again is eventwriter_torch.SummaryWriter is torch.utils.tensorboard.SummaryWriter
        assert tb is via and tb.writer.FileWriter is FileWriter is eventwriter_torch.FileWriter
        assert RecordWriter is eventwriter_torch.RecordWriter
        assert hparams is summary.hparams is eventwriter_torch.summary.hparams
        import tensorboardX
        from tensorboardX import SummaryWriter as X, GlobalSummaryWriter
        from tensorboardX.summary import hparams
        assert issubclass(X, SummaryWriter)
        import importlib.util
        assert importlib.util.find_spec("tensorboardX") and importlib.util.find_spec("torch.utils.tensorboard")
        assert "tensorboard" not in sys.modules
        exec("from tensorboardX import *")
    """)


@pytest.mark.parametrize("imported_before", [True, False])
def test_uninstall_puts_back_what_was_there(imported_before: bool) -> None:
    """Whether it was imported before or not; both functions can be called again."""
    run(
        """if True:
        import sys, types
        sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
        before = sys.argv[1] == "True"
        if before:
            import tensorboardX, torch.utils.tensorboard
            theirs = tensorboardX, torch.utils.tensorboard, torch.utils.tensorboard.writer
        import eventwriter_torch as ours
        ours.uninstall()
        for _ in range(2):
            ours.install(); ours.install()
            from torch.utils.tensorboard import SummaryWriter
            assert SummaryWriter is ours.SummaryWriter
            ours.uninstall(); ours.uninstall()
            import tensorboardX, torch.utils.tensorboard
            from torch.utils.tensorboard import SummaryWriter
            assert SummaryWriter is not ours.SummaryWriter
            assert SummaryWriter.__module__ == "torch.utils.tensorboard.writer"
            assert tensorboardX.SummaryWriter.__module__ == "tensorboardX.writer"
            if before:
                assert theirs == (tensorboardX, torch.utils.tensorboard, torch.utils.tensorboard.writer)
        """,
        str(imported_before),
    )


def test_other_sub_modules_stay_theirs() -> None:
    """Programs that build tensorboardX's own messages go on doing so, and our writers take them."""
    run("""if True:
        import tempfile
        import eventwriter_torch
        eventwriter_torch.install()
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX import SummaryWriter
        w = SummaryWriter(tempfile.mkdtemp())
        w.file_writer.add_summary(Summary(value=[Summary.Value(tag="a", simple_value=1)]), 1)
        w.close()
        from torch.utils.tensorboard._utils import figure_to_image
    """)


def test_it_works_where_neither_package_is_installed() -> None:
    """find_spec is how Hugging Face asks."""
    run("""if True:
        import sys
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("tensorboard", "tensorboardX"):
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Hide())
        import eventwriter_torch
        eventwriter_torch.install()
        from tensorboardX import SummaryWriter
        from torch.utils.tensorboard import SummaryWriter
        import importlib.util
        assert importlib.util.find_spec("tensorboardX")
    """)


def test_tensorboardx_signatures_and_folders(tmp_path: Path) -> None:
    """Its order of arguments, its folders for add_scalars, its counting writer."""
    run(
        """if True:
        import sys
        import eventwriter_torch
        eventwriter_torch.install()
        from tensorboardX import GlobalSummaryWriter, SummaryWriter
        w = SummaryWriter(sys.argv[1], "", None, 10, 120, ".x", True)
        assert w.logdir == sys.argv[1]
        w.add_scalar("a", 1.0, 1, 2.5, "Name", "What it is")
        w.add_scalars("m", {"x": 1, "y": 2}, 3)
        w.add_hparams({"lr": 0.1}, {"acc": 1}, "trial", 4)
        w.close()
        SummaryWriter(log_dir=sys.argv[1], write_to_disk=False, comet_config={"disabled": True}).close()
        g = GlobalSummaryWriter(sys.argv[1] + "/g")
        g.add_scalar("a", 5); g.add_scalar("a", 6); g.add_text("t", "x"); g.add_image("i", [[[0.5]]])
        assert g.file_writer.get_logdir() == sys.argv[1] + "/g"
        g.close()
        """,
        str(tmp_path),
    )
    rows = [row for row in readers.run_events(tmp_path) if row.tag]
    assert [("a", 1, 2.5, "Name", "What it is")] == [
        (row.tag, row.step, row.wall_time, row.display_name, row.description) for row in rows
    ]
    for key, value in (("x", 1), ("y", 2)):
        (row,) = [row for row in readers.run_events(tmp_path / "m" / key) if row.tag]
        assert ("m", 3, value) == (row.tag, row.step, row.value)
    assert [("acc", 4)] == [(r.tag, r.step) for r in readers.run_events(tmp_path / "trial") if r.kind == "simple_value"]
    counted = [row for row in readers.run_events(tmp_path / "g") if row.tag]
    assert [("a", 0), ("a", 1), ("t/text_summary", 0), ("i", 0)] == [(row.tag, row.step) for row in counted]
