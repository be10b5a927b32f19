"""Attribute losses: values worked by hand, equal to PyTorch's own and to a loop over samples."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from resight.losses.attributes import AttributeLoss, majority_weights


def test_weights_are_the_majoritys_count_over_each_classs() -> None:
    assert majority_weights([200, 50, 10, 0]).tolist() == [1, 4, 20, 0]


def test_one_attribute_by_hand() -> None:
    logits = {"hat": torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])}  # probabilities 3/4, 1/4 and a half each
    targets = torch.tensor([[0], [1]])
    plain = AttributeLoss([[30, 10]])(logits, targets)
    assert plain.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    weighted = AttributeLoss([[30, 10]], class_weights="majority")(logits, targets)
    assert weighted.item() == pytest.approx((math.log(4 / 3) + 3 * math.log(2)) / 4)


def test_softplus_equals_binary_cross_entropy_and_does_not_saturate() -> None:
    z = torch.tensor([[2.0], [-1.0], [0.3]], requires_grad=True)
    loss = AttributeLoss([[2, 1]])({"hat": z}, torch.tensor([[1], [0], [0]]))
    assert loss.item() == pytest.approx(
        F.binary_cross_entropy_with_logits(z[:, 0], torch.tensor([1.0, 0.0, 0.0])).item()
    )
    far = torch.tensor([[-200.0]], requires_grad=True)
    AttributeLoss([[2, 1]])({"hat": far}, torch.tensor([[1]])).backward()
    assert far.grad.item() == pytest.approx(-1.0)


@pytest.mark.parametrize("weights", ["none", "majority"])
def test_several_attributes_equal_a_loop_and_torch(weights: str) -> None:
    torch.manual_seed(0)
    counts = [[40, 10], [5, 20, 25]]
    logits = {"hat": torch.randn(12, 2), "age": torch.randn(12, 3)}
    targets = torch.stack([torch.randint(2, (12,)), torch.randint(3, (12,))], dim=1)
    targets[::4, 1] = -1
    ours = AttributeLoss(counts, class_weights=weights)(logits, targets)
    total = 0.0
    for column, (values, numbers) in enumerate(zip(logits.values(), counts, strict=True)):
        parts, norm = 0.0, 0.0
        for row in range(12):
            label = int(targets[row, column])
            if label >= 0:
                weight = max(numbers) / numbers[label] if weights == "majority" else 1.0
                parts += weight * -float(values[row].log_softmax(0)[label])
                norm += weight
        total += parts / norm
        weight = majority_weights(numbers) if weights == "majority" else None
        assert parts / norm == pytest.approx(
            F.cross_entropy(values, targets[:, column], weight=weight, ignore_index=-1).item(), abs=1e-5
        )
    assert ours.item() == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("weights", ["none", "majority"])
def test_sigmoid_outputs_are_labels_of_their_own(weights: str) -> None:
    torch.manual_seed(0)
    counts = [[40, 10], [5, 20, 25]]
    logits = {"hat": torch.randn(9, 1), "age": torch.randn(9, 3)}
    targets = torch.stack([torch.randint(2, (9,)), torch.randint(3, (9,))], dim=1)
    targets[0, 1] = -1
    ours = AttributeLoss(counts, class_weights=weights, outputs="sigmoid")(logits, targets)
    total = 0.0
    for column, (values, numbers) in enumerate(zip(logits.values(), counts, strict=True)):
        parts, norm = 0.0, 0.0
        for row in range(9):
            label = int(targets[row, column])
            if label < 0:
                continue
            truth = torch.tensor([float(label)]) if len(values[row]) == 1 else torch.eye(3)[label]
            weight = max(numbers) / numbers[label] if weights == "majority" else 1.0
            parts += weight * F.binary_cross_entropy_with_logits(values[row], truth, reduction="sum").item()
            norm += weight
        total += parts / norm
    assert ours.item() == pytest.approx(total, abs=1e-5)


def test_all_unknown_is_zero_and_has_a_gradient_of_zero() -> None:
    values = torch.randn(3, 2, requires_grad=True)
    loss = AttributeLoss([[1, 1]])({"hat": values}, torch.full((3, 1), -1))
    loss.backward()
    assert loss.item() == 0
    assert not values.grad.any()


def test_the_worst_third_of_the_targets_gains_weight_each_epoch() -> None:
    loss = AttributeLoss([[2, 2]] * 6, target_weights="adaptive")
    assert loss.target_weight.tolist() == pytest.approx([1 / 6] * 6)
    sure = torch.tensor([[5.0, -5.0], [5.0, -5.0], [-5.0, 5.0], [-5.0, 5.0]])
    targets = torch.tensor([[0], [0], [1], [1]]).repeat(1, 6)
    targets[:, 2] = torch.tensor([1, 1, 0, 0])  # always wrong
    targets[:, 4] = torch.tensor([0, 1, 1, 0])  # half wrong
    value = loss({str(i): sure for i in range(6)}, targets)
    assert value.item() == pytest.approx(sum(F.cross_entropy(sure, targets[:, i]).item() for i in range(6)) / 6)
    loss.end_epoch(lambda values: values)
    wanted = [1 / 6] * 6
    wanted[2] = wanted[4] = 1.1 / 6
    assert loss.target_weight.tolist() == pytest.approx(wanted)
    assert not loss.confusion.counts.any()
    assert "target_weight" in loss.state_dict(), "a resumed run goes on with them"


def test_validation_does_not_count_towards_the_weights() -> None:
    loss = AttributeLoss([[2, 2]], target_weights="adaptive").eval()
    loss({"a": torch.randn(4, 2)}, torch.zeros(4, 1, dtype=torch.int64))
    assert not loss.confusion.counts.any()


@pytest.mark.parametrize("class_weights", ["none", "majority"])
@pytest.mark.parametrize("outputs", ["softmax", "sigmoid"])
def test_gradients_numerically(class_weights: str, outputs: str) -> None:
    loss = AttributeLoss([[5, 1], [3, 2, 1]], class_weights=class_weights, outputs=outputs).double()
    torch.manual_seed(0)
    hat, age = (torch.randn(3, width, dtype=torch.float64, requires_grad=True) for width in (1, 3))
    targets = torch.tensor([[0, 2], [1, -1], [0, 1]])
    assert torch.autograd.gradcheck(lambda *z: loss(dict(zip(("hat", "age"), z, strict=True)), targets), (hat, age))


def test_the_confusion_of_all_processes_decides() -> None:
    loss = AttributeLoss([[2, 2]] * 3, target_weights="adaptive")
    sure = torch.tensor([[5.0, -5.0], [-5.0, 5.0]])
    loss(dict.fromkeys("abc", sure), torch.tensor([[1, 0, 0], [0, 1, 1]]))  # here the first is always wrong
    elsewhere = torch.zeros_like(loss.confusion.counts)
    elsewhere[0] = torch.tensor([[50, 0], [0, 50]])
    elsewhere[2] = torch.tensor([[0, 50], [50, 0]])
    loss.end_epoch(lambda values: values + elsewhere)
    assert loss.target_weight.tolist() == pytest.approx([1 / 3, 1 / 3, 1.1 / 3]), "and over both the third is worst"
