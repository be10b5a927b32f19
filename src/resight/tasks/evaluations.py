"""The name table of evaluations: the task by which a model is evaluated. A task is a folder and one line in this table."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from resight.errors import RunError
from resight.recognizer import Recognizer

__all__ = ["TASKS", "Task", "room", "task_of"]


class Task(NamedTuple):
    """A task with an evaluation of its own: the folder `resight.tasks.NAME` has modules `evaluation` and `report`."""

    run: str
    """How messages call a run of this task, with its article."""
    fits: Callable[[Recognizer], bool]
    """Whether a model can be evaluated by this task."""


TASKS: dict[str, Task] = {
    "reid": Task("an embedding run", lambda model: model.embeds),
    "reconstruction": Task("an autoencoder without embedding", lambda model: model.reconstructs),
    "masks": Task("a segmentation run", lambda model: model.segments),
    "attributes": Task("an attribute run", lambda model: model.recognises),
}
"""Name -> task. A model that fits several tasks is evaluated by the first of them."""


def task_of(model: Recognizer) -> str:
    """The name of the task by which a model is evaluated. Raises RunError for a model that fits none."""
    for name, task in TASKS.items():
        if task.fits(model):
            return name
    raise RunError(f"no task evaluates such a run; there is: {', '.join(TASKS)}")


def room(task: str, name: str) -> ModuleType:
    """A module of a task's folder, such as `evaluation` or `report`, imported only when it is asked for."""
    return importlib.import_module(f"resight.tasks.{task}.{name}")
