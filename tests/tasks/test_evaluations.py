"""Which task a model is evaluated as, for every kind of model, and what each task offers for it."""

from __future__ import annotations

import inspect

import pytest
import torch

from resight.errors import RunError
from resight.recognizer import Recognizer
from resight.records import NO_ATTRIBUTES, AttributeSchema
from resight.run import build_model
from resight.tasks.evaluations import TASKS, room, task_of

HATS = AttributeSchema({"hat": ("no", "yes")})


@pytest.mark.parametrize(
    ("recipe", "schema", "task"),
    [
        ("reid-strong-baseline", NO_ATTRIBUTES, "reid"),
        ("reid-bruna", HATS, "reid"),  # it recognises attributes as well
        ("reid-vae", NO_ATTRIBUTES, "reid"),  # it reconstructs as well
        ("junk-autoencoder", NO_ATTRIBUTES, "reconstruction"),
        ("segmentation-unet", NO_ATTRIBUTES, "masks"),
        ("attributes-residual-cnn", HATS, "attributes"),
    ],
)
def test_a_model_is_evaluated_as_the_first_task_that_it_fits(
    recipe: str, schema: AttributeSchema, task: str, tiny
) -> None:
    options = ["attributes.cameras=[]"] if recipe == "reid-bruna" else []
    made = tiny(*options, recipe=recipe)
    assert task_of(Recognizer(build_model(made, 2, schema), made, schema, "cpu")) == task


def test_a_model_that_fits_no_task_is_refused(tiny) -> None:
    with pytest.raises(
        RunError, match="no task evaluates such a run; there is: reid, reconstruction, masks, attributes"
    ):
        task_of(Recognizer(torch.nn.Identity(), tiny(), device="cpu"))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_the_same_few_names(task: str) -> None:
    """`resight evaluate` has one path: it calls these with a model and a dataset, whatever the task."""
    evaluation, report = room(task, "evaluation"), room(task, "report")
    for function in (evaluation.evaluate, evaluation.count_images):
        assert list(inspect.signature(function).parameters)[:2] == ["model", "dataset"]
    assert "progress" in inspect.signature(evaluation.evaluate).parameters
    assert list(inspect.signature(report.page).parameters) == ["result", "model", "dataset"]
    assert list(inspect.signature(report.tables).parameters) == ["result"]
    assert callable(evaluation.Result.summary)


def test_runs_are_called_by_a_phrase_that_fits_a_message() -> None:
    """As in "--rerank is for an embedding run; runs/unet is a segmentation run"."""
    assert all(task.run.split()[0] in ("a", "an") for task in TASKS.values())
    assert len({task.run for task in TASKS.values()}) == len(TASKS)
