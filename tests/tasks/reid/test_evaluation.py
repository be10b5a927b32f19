"""Evaluating a model on a dataset: whose protocol counts."""

from __future__ import annotations

from dataclasses import replace

import torch

from resight.recognizer import Recognizer
from resight.records import ReidDataset
from resight.run import build_model
from resight.tasks.reid.evaluation import evaluate


def test_protocol_asked_for_before_the_recipes_before_the_datasets_own(crowd: ReidDataset, tiny) -> None:
    torch.manual_seed(0)
    silent, course = tiny(), tiny("retrieval.protocol=course")
    model = build_model(silent, classes=6)
    dataset = replace(crowd, protocol="veri776")
    assert evaluate(Recognizer(model, silent), dataset).result.protocol == "veri776"
    assert evaluate(Recognizer(model, course), dataset).result.protocol == "course"
    assert evaluate(Recognizer(model, course), dataset, protocol="market1501").result.protocol == "market1501"
