"""One tree of errors, and the words that messages share."""

from __future__ import annotations

import importlib
import pkgutil

import resight
from resight import errors
from resight.errors import DataError, ImageError, ResightError, did_you_mean, none_readable


def test_every_error_that_the_package_defines_stands_in_one_tree() -> None:
    """`except ResightError` catches all that is raised on purpose, and one file lists it."""
    for found in pkgutil.walk_packages(resight.__path__, "resight."):
        if found.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith("resight"):
                assert issubclass(value, ResightError)
                assert value is getattr(errors, value.__name__)
                assert value.__doc__


def test_an_image_that_cannot_be_read_is_a_matter_of_the_data() -> None:
    assert issubclass(ImageError, DataError)


def test_a_close_name_is_suggested_and_a_far_one_is_not() -> None:
    known = ["reid-strong-baseline", "reid-two-branch", "vehicle-resnet18"]
    assert did_you_mean("reid-strong-baselin", known) == " (did you mean 'reid-strong-baseline'?)"
    assert did_you_mean("vehicle-resnet81", dict.fromkeys(known)) == " (did you mean 'vehicle-resnet18'?)"
    assert did_you_mean("unet", known) == ""
    assert did_you_mean("anything", []) == ""


def test_images_none_of_which_could_be_read_are_told_with_the_first_reason() -> None:
    told = none_readable(2, ["a.jpg: empty file", "b.jpg: no such file"])
    assert isinstance(told, DataError)
    assert str(told) == "none of 2 images could be read; the first: a.jpg: empty file"
    assert str(none_readable(2, [])) == "none of 2 images could be read"
