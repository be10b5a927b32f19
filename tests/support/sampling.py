"""Labels of a small training split for the samplers: identities of different sizes, cameras, one attribute."""

from __future__ import annotations

import numpy as np

IDS = [identity for identity in range(12) for _ in range(identity + 1)]
"""78 images: identity i has i + 1 of them, 1 to 12."""
CAMERAS = [1 + number % 3 for number in range(len(IDS))]
TARGETS = np.array([[int(identity >= 10)] for identity in IDS])
"""One attribute; only the last two identities, with 23 images, have its class 1."""
