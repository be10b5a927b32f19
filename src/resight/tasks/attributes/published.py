"""Published figures, in per cent, for comparison with ours. They are of Market-1501 in the course's version."""

from __future__ import annotations

__all__ = ["ATTRIBUTE_MEANS", "ATTRIBUTE_TABLES"]

ATTRIBUTE_TABLES: dict[str, dict[str, tuple[float, float, float, float, float, float]]] = {
    "attributes-resnet18": {
        "camera-4": (94.1, 88.5, 57.2, 93.1, 76.7, 64.1),
        "camera-6": (96.4, 97.2, 92.9, 96.6, 97.4, 93.4),
        "junk": (100.0, 100.0, 98.3, 100.0, 100.0, 100.0),
        "backpack": (85.7, 85.9, 74.2, 80.9, 78.3, 69.1),
        "bag": (81.0, 81.8, 62.8, 74.4, 65.8, 54.2),
        "handbag": (89.1, 87.8, 55.2, 91.7, 53.9, 50.3),
        "clothes": (91.4, 82.2, 82.7, 85.1, 71.9, 72.5),
        "down": (88.8, 88.1, 89.1, 84.7, 82.7, 84.3),
        "up": (94.2, 92.5, 59.9, 93.3, 95.1, 55.3),
        "hair": (86.0, 87.0, 82.2, 81.6, 80.3, 78.0),
        "hat": (98.0, 99.0, 55.6, 96.3, 98.1, 50.3),
        "gender": (86.6, 87.9, 85.5, 84.0, 84.2, 83.4),
        "upper_color": (84.5, 84.0, 81.4, 68.5, 66.8, 62.2),
        "lower_color": (82.6, 84.8, 74.3, 65.7, 67.8, 53.8),
        "age": (90.6, 92.3, 68.0, 80.0, 66.7, 40.0),
    },
}
"""Recipe -> attribute -> accuracy, precision, recall on training images, then on validation images (Bruna report, table 1)."""

ATTRIBUTE_MEANS: dict[str, str] = {
    "attributes-multihead": "81 % mean accuracy on validation, every attribute above 60 % (two-branch report, section 3)",
    "attributes-residual-cnn": "79.87 % mean accuracy on validation, 70.24 % without the skip (VAE report, table 1)",
    "attributes-resnet18": (
        "validation accuracy 85.1, precision 79.0, recall 67.4 over 15 rows, training 89.9 / 89.3 / 74.6; over the twelve "
        "attributes 82.2 / 76.0 / 62.8 and 88.2 / 87.8 / 72.6 (Bruna report, table 1)"
    ),
}
"""Recipe -> the mean that its source reports, in one line."""
