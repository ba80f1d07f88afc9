"""Stands in for torchvision where it cannot be loaded beside torch: what a training by Ultralytics needs of it."""

from torchvision import ops as ops

__version__ = "0.0"
