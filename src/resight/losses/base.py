"""The base class of all losses: what training reads of a loss, and when it calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["Loss"]


class Loss(nn.Module):
    """A scalar to minimise. A subclass has `forward`, and states what differs from the defaults below.

    >>> class FeatureNorm(Loss):
    ...     reads = ("features",)
    ...     def forward(self, features, ids, cameras=None):
    ...         return features.square().sum(1).mean()

    A loss is called with the fields of the model's output that `reads` names, and then with the batch's labels:
    identities and cameras in re-identification, class numbers of attributes, or masks.
    """

    reads: tuple[str, ...] = ()
    """Fields of the model's output, a `ReidOutput` or a `Reconstruction`, in the order of `forward`'s parameters.

    It is called once for each branch of a `ReidOutput`, and the values are added. Empty if the output has no fields:
    logits of attributes, or of a mask.
    """
    group: int = 1
    """Number of consecutive images that belong together; a group with an image that cannot be read is left out."""
    pixels: tuple[float, float] | None = None
    """Of a loss of reconstructions, the least and the greatest pixel value that it is defined for; None: any."""
    needs_cameras: bool = False
    """Whether data without camera labels is refused."""
    of_identities: bool = False
    """Whether it tells the training identities apart, by the model's identity scores or by rows of its own: then people
    held out have no such loss, and the validation loss is without it."""
    own_optimiser: Callable[..., Optimizer] | None = None
    """Class of an optimiser for the loss's own parameters; None: the recipe's optimiser trains them with the model's.

    Their gradient is divided by the loss's weight, so that the weight does not slow them.
    """
    learning_rate: float = 0.0
    """Constant learning rate of `own_optimiser`."""

    def figures(self) -> dict[str, Tensor]:
        """Of the calls in training since the last time: name -> a scalar, which is logged as `train/LABEL/NAME`.

        They stay on the loss's device: a GPU is not waited for at each step.
        """
        return {}

    def complaint(self, figures: Mapping[str, float]) -> str | None:
        """What is wrong if these are the means of its `figures` over an epoch, and which keys to change; None if nothing."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before each training epoch with its number, from 0; after a resume the count goes on."""

    def end_batch(self) -> None:
        """Called after each batch that was trained on. Count batches in a buffer, which a resume restores."""

    def end_epoch(self, total: Callable[[Tensor], Tensor]) -> None:
        """Called after each training epoch. `total` sums a tensor over the processes that train together."""
