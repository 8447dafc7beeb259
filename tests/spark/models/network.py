"""A network of PyTorch that is pickled by its name, so that a model needs this module to load."""

from typing import Any

import torch


class Network(torch.nn.Module):
    """The price and thrice the visits."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor([1.0, 3.0]))

    def forward(self, inputs: Any) -> Any:
        """One number for each row."""
        return inputs @ self.weights
