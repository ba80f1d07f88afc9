"""Train a small classifier on scikit-learn's handwritten digits and log everything worth seeing.

    python examples/digits.py [--epochs 12] [--logdir runs/digits]

Needs torch and scikit-learn; the data ships with the latter. Ends with a table of what is in the file and the line
to type to see it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from tqdm import tqdm

from eventwriter import EventWriter
from eventwriter.__main__ import main as eventwriter


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Train images and labels, test images and labels; images are (n, 1, 8, 8) in [0, 1]."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, test = order[:1437], order[1437:]
    return images[train], labels[train], images[test], labels[test]


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 4 * 4, 10),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--logdir", type=Path, default=Path("runs/digits"))
    options = parser.parse_args()

    torch.manual_seed(0)
    run = options.logdir / time.strftime("%Y%m%d-%H%M%S")
    train_x, train_y, test_x, test_y = data()
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.lr)
    batches = len(train_x) // options.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, epochs=options.epochs, steps_per_epoch=batches
    )
    step = 0
    spent = []

    with (
        EventWriter(run) as w,
        tqdm(total=options.epochs * batches, unit="batch", file=sys.stdout, mininterval=0.5, dynamic_ncols=True) as bar,
    ):
        w.hparams(
            {"lr": options.lr, "batch": options.batch, "epochs": options.epochs, "optimizer": "AdamW"},
            metrics=["accuracy/test", "loss/test"],
        )
        for epoch in range(options.epochs):
            net.train()
            order = torch.randperm(len(train_x))
            for i in range(batches):
                batch = order[i * options.batch : (i + 1) * options.batch]
                output = net(train_x[batch])
                loss = nn.functional.cross_entropy(output, train_y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                value, hits = loss.item(), (output.argmax(1) == train_y[batch]).float().mean().item()
                rate = schedule.get_last_lr()[0]

                start = time.perf_counter()
                w.scalar("loss/batch", value, step)
                w.scalar("accuracy/batch", hits, step)
                w.scalar("learning_rate", rate, step)
                spent.append((time.perf_counter() - start) / 3)
                step += 1
                bar.update()
                bar.set_postfix(epoch=epoch, loss=f"{value:.3f}", refresh=False)

            net.eval()
            with torch.no_grad():
                output = net(test_x)
            probabilities = output.softmax(1).numpy()
            guess = probabilities.argmax(1)
            w.scalar("loss/test", nn.functional.cross_entropy(output, test_y), step)
            w.scalar("accuracy/test", (guess == test_y.numpy()).mean(), step)
            for name, parameter in net.named_parameters():
                w.histogram(f"weights/{name}", parameter, step)
            w.pr_curve("is it an eight?", test_y.numpy() == 8, probabilities[:, 8], step)
            show(w, test_x.numpy(), test_y.numpy(), guess, probabilities, step)

    print()
    eventwriter(["show", str(run)])
    print(f"\nA scalar cost the training loop {statistics.median(spent) * 1e6:.1f} µs (median of {3 * len(spent)}).")
    print(f"\nTo see it:  tensorboard --logdir {options.logdir}")


def show(
    w: EventWriter, images: np.ndarray, labels: np.ndarray, guess: np.ndarray, probabilities: np.ndarray, step: int
) -> None:
    """The digits that the model is least sure of, as images and as a table."""
    doubtful = probabilities.max(1).argsort()[:8]
    enlarged = images[doubtful, 0].repeat(8, axis=1).repeat(8, axis=2)
    w.images("digits/least sure", enlarged, step, dataformats="NHW")
    rows = [["digit", "guess", "certainty"]]
    rows += [[str(labels[i]), str(guess[i]), f"{probabilities[i].max():.0%}"] for i in doubtful]
    w.text("guesses/least sure", rows, step)


if __name__ == "__main__":
    main()
