"""How well attributes are recognised: arrays only."""

from resight.recognition.metrics import AttributeFigures, AttributeScores, majority_guess, score

__all__ = ["AttributeFigures", "AttributeScores", "majority_guess", "score"]
