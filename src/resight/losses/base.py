"""What training asks of a loss, and what it tells it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["Loss"]


class Loss(nn.Module):
    """Base of all losses: a scalar to minimise. The defaults say of a loss that nothing about it is special.

    >>> class Contrastive(Loss):
    ...     reads = ("features",)
    ...     def forward(self, embeddings, ids, cameras=None): ...

    It is called with what `reads` names of the model's output, and then with what the batch knows: identities and
    cameras in re-identification, classes for attributes, masks for masks.
    """

    reads: tuple[str, ...] = ()
    """Fields of the model's output, of a `ReidOutput` or a `Reconstruction`, that it is called with, in this order.

    Branches of a `ReidOutput` are read one after the other, and their losses added. Empty where the output has no
    fields: logits of attributes, a mask.
    """
    group: int = 1
    """How many images belong together as the sampler dealt them: such a group comes whole or not at all."""
    needs_cameras: bool = False
    """Whether data without camera labels is refused."""
    own_optimiser: Callable[..., Optimizer] | None = None
    """Class of an optimiser for the loss's own parameters, at `learning_rate`; None: the recipe's trains them too.

    Their gradient is then divided by the loss's weight, so that this does not slow them.
    """
    learning_rate: float = 0.0
    """Of `own_optimiser`."""

    def begin_epoch(self, epoch: int) -> None:
        """Training epoch number `epoch` begins, from 0; a resumed run goes on counting."""

    def end_batch(self) -> None:
        """A batch has been trained on. What is counted here belongs into a buffer, so that a resumed run knows it."""

    def end_epoch(self, total: Callable[[Tensor], Tensor]) -> None:
        """A training epoch has ended; `total` sums a tensor over the processes that train together."""
