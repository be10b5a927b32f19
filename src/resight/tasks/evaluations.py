"""The name table of evaluations: which task a model is evaluated as. A task is a folder and one line in this table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from resight.errors import RunError
from resight.recognizer import Recognizer

__all__ = ["TASKS", "Task", "room", "task_of"]


class Task(NamedTuple):
    """What is evaluated as a task of its own: the folder `resight.tasks.NAME` with `evaluation` and `report`."""

    run: str
    """What messages call a run of it."""
    fits: Callable[[Recognizer], bool]


TASKS: dict[str, Task] = {
    "reid": Task("an embedding run", lambda model: model.embeds),
    "reconstruction": Task("an autoencoder without embedding", lambda model: model.reconstructs),
    "masks": Task("a segmentation run", lambda model: model.segments),
    "attributes": Task("an attribute run", lambda model: model.recognises),
}
"""Task by name; a model that fits several is evaluated as the first of them."""


def task_of(model: Recognizer) -> str:
    """The name of the task that a model is evaluated as. Raises RunError when it fits none."""
    for name, task in TASKS.items():
        if task.fits(model):
            return name
    raise RunError(f"no task evaluates such a run; there is: {', '.join(TASKS)}")


def room(task: str, name: str) -> ModuleType:
    """A module of a task's folder, `evaluation` or `report`, imported when it is first asked for."""
    return importlib.import_module(f"resight.tasks.{task}.{name}")
