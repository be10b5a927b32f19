"""A model as trackers call it: boxes in a video's frame in, appearance features out. There is no tracker here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from resight.errors import DataError
from resight.recognizer import Recognizer

__all__ = ["CropEmbedder", "Detections"]


class Detections(Protocol):
    """What is read of `supervision.Detections`."""

    xyxy: NDArray[Any]
    """Boxes (N, 4): left, top, right and bottom in pixels."""


class CropEmbedder:
    """The features of boxes in frames, by the two signatures that trackers call.

    >>> embedder = CropEmbedder(resight.load("runs/street"))  # or an exported file: resight.load("street.onnx")
    >>> features = embedder.get_features(boxes, frame)         # as BoxMOT's trackers ask, float32 (N, D)
    >>> features = embedder.extract_embeddings(detections, frame)  # with supervision.Detections

    Frames are uint8 (height, width, 3) in BGR, as OpenCV gives them. Features have length one, since trackers compare by
    cosine, whatever distance the model's recipe names. Boxes are rounded to pixels and cut off at the frame's edges. A box
    of which nothing is left, because it is empty, lies outside or holds no finite number, is embedded as an image of the
    mean colour: its feature is finite and has length one, as cosine distance needs it, and is the same for all such boxes.
    """

    def __init__(self, model: Recognizer, batch_size: int = 64) -> None:
        self.model, self.batch_size = model, batch_size
        self._blank = (np.array(model.recipe.image.mean) * 255).round().astype(np.uint8)[None, None, :]

    def get_features(self, xyxys: NDArray[Any], img: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, D) of boxes (N, 4), left, top, right and bottom in pixels; (0, D) for no box.

        Raises DataError for boxes of another shape, and for a frame that is not uint8 (height, width, 3).
        """
        boxes = np.asarray(xyxys, dtype=np.float64)
        if boxes.size == 0:
            boxes = boxes.reshape(0, 4)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise DataError(f"boxes of shape {boxes.shape}: (N, 4) is expected, left, top, right and bottom of each")
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise DataError(f"a frame of shape {img.shape}, {img.dtype}: uint8 (height, width, 3) in BGR is expected")
        features = self.model.embed(list(self._crops(boxes, img)), self.batch_size)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        return (features / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)

    def extract_embeddings(self, detections: Detections, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (N, D) of detections in a frame, otherwise as `get_features`."""
        return self.get_features(detections.xyxy, frame)

    def _crops(self, boxes: NDArray[np.float64], frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """The boxes' pixels in RGB."""
        height, width = frame.shape[:2]
        within = np.clip(np.nan_to_num(boxes, nan=0, posinf=0, neginf=0).round(), 0, [width, height, width, height])
        within[~np.isfinite(boxes).all(axis=1)] = 0
        for left, top, right, bottom in within.astype(int):
            crop = frame[top:bottom, left:right, ::-1]
            yield crop if crop.size else self._blank
