"""A loss is computed in float32 at least, however the network runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from resight.losses.precision import full, in_full_precision


class Product(nn.Module):
    """A product of matrices, which mixed precision would compute in bfloat16."""

    @in_full_precision
    def forward(self, values: Tensor, times: float = 1.0) -> Tensor:
        """Squares of lengths, and more."""
        return times * (values @ values.T).sum()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_and_others_stay(kind: torch.dtype) -> None:
    values = torch.tensor([1.5, -2.25])
    assert full(values.to(kind)).dtype == torch.float32
    assert torch.equal(full(values.to(kind)), values)
    assert full(values.double()).dtype == torch.float64
    assert full(values) is values


def test_mixed_precision_ends_at_the_loss() -> None:
    # 1 + 2⁻⁷ is a bfloat16 and its square is none.
    values = torch.full((1, 1), 1 + 2**-7, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Product()(values).item() == (1 + 2**-7) ** 2
        assert (values @ values.T).item() != (1 + 2**-7) ** 2, "elsewhere it goes on"


def test_the_other_arguments_and_the_docstring_are_the_losss_own() -> None:
    assert Product()(torch.ones(2, 1), times=3.0).item() == 12
    assert Product.forward.__doc__ == "Squares of lengths, and more."
