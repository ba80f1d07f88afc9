"""Which of a distributed job's processes this is.

Knows: torch.distributed, and the environment that its launchers make. Must not know: writers, files.
"""

from __future__ import annotations

import os


def rank_and_size() -> tuple[int, int]:
    """This process's rank and how many there are; (0, 1) without a distributed job.

    torch.distributed says so once it is initialised; before that, torchrun's RANK and WORLD_SIZE do. SLURM's and
    MPI's variables do not count: they are also set for tasks that have nothing to do with each other.
    """
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1
    return (rank, size) if 0 <= rank < size else (0, 1)
