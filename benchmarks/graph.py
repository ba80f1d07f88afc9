"""The graph of a ResNet: eventwriter_torch's beside torch.utils.tensorboard's, interleaved, in one process.

    python benchmarks/graph.py

What is timed is making and serialising the GraphDef, not writing it. One thread; the first round is not counted.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

ROUNDS = 5


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.around = None if before == width and stride == 1 else nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.around is None else self.around(x)))


def resnet18(width: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(4):
        for block in range(2):
            layers.append(Block(before, width << stage, 2 if stage and not block else 1))
            before = width << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)).eval()


def main() -> None:
    from eventwriter_torch.graph import build
    from torch.utils.tensorboard._pytorch_graph import graph

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name, model, size in (("ResNet-18, width 16", resnet18(16), 64), ("ResNet-18, width 64", resnet18(64), 224)):
        x = torch.ones(1, 3, size, size)
        makers: dict[str, Callable[[], Any]] = {
            "eventwriter_torch": lambda model=model, x=x: build(model, x),
            "torch": lambda model=model, x=x: graph(model, (x,)),
        }
        spent: dict[str, list[float]] = {maker: [] for maker in makers}
        for round_ in range(ROUNDS + 1):
            for maker, make in makers.items():
                begin = time.perf_counter()
                make()[0].SerializeToString()
                if round_:
                    spent[maker].append(time.perf_counter() - begin)
        ours, theirs = spent.values()
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(
            f"{name}, {size} px: eventwriter_torch {statistics.median(ours) * 1e3:.0f} ms, "
            f"torch {statistics.median(theirs) * 1e3:.0f} ms, ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
