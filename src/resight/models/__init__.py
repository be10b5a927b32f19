"""Networks. A model is one file and one line in this table."""

from collections.abc import Callable

from torch import nn

from resight.models.attribute_classifier import AttributeClassifier
from resight.models.bruna import Bruna
from resight.models.convolutional_autoencoder import ConvolutionalAutoencoder
from resight.models.embedding_network import EmbeddingNetwork
from resight.models.lenet import LeNet5
from resight.models.osnet import OSNet
from resight.models.residual_cnn import ResidualCNN
from resight.models.strong_baseline import StrongBaseline
from resight.models.two_branch import TwoBranch
from resight.models.unet import UNet
from resight.models.variational_autoencoder import VariationalAutoencoder

__all__ = ["MODELS"]

MODELS: dict[str, Callable[..., nn.Module]] = {
    "strong-baseline": StrongBaseline,
    "two-branch": TwoBranch,
    "embedding-network": EmbeddingNetwork,
    "osnet": OSNet,
    "attribute-classifier": AttributeClassifier,
    "residual-cnn": ResidualCNN,
    "lenet5": LeNet5,
    "convolutional-autoencoder": ConvolutionalAutoencoder,
    "variational-autoencoder": VariationalAutoencoder,
    "unet": UNet,
    "bruna": Bruna,
}
