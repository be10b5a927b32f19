"""How well attributes and masks are recognised: arrays only."""

from resight.recognition.masks import MaskScores, mask_scores
from resight.tasks.attributes.scores import AttributeFigures, AttributeScores, majority_guess, score

__all__ = ["AttributeFigures", "AttributeScores", "MaskScores", "majority_guess", "mask_scores", "score"]
