"""What a trained model does with images, each against its definition, and what it cannot do, said in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from resight.errors import ImageError, RecipeError, RunError
from resight.recipe import Recipe
from resight.recognizer import Recognizer, joined, load, metric_of
from resight.records import NO_ATTRIBUTES, AttributeSchema, Embeddings, Record, ReidDataset
from resight.run import Run, build_model
from tests.support.calibrations import calibrated
from tests.support.images import corrupt
from tests.support.legacy import LEGACY, expected, legacy_street

CLOTHES = AttributeSchema({"hat": ("no", "yes"), "age": ("young", "adult", "old"), "junk": ("no", "yes")})
PIXELS = np.random.default_rng(0).integers(0, 255, (5, 32, 16, 3), dtype=np.uint8)
"""Five pictures of the tiny recipes' size, which nothing resizes."""
IMAGES = list(PIXELS)
BATCH = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)

Make = Callable[..., Recognizer]


@pytest.fixture(scope="module")
def make(tiny: Callable[..., Recipe]) -> Make:
    """`make("reid-vae", "retrieval.flip=true")`: a recipe's network as it begins, the same at each call."""

    def made(recipe: str, *overrides: str, schema: AttributeSchema = CLOTHES) -> Recognizer:
        torch.manual_seed(0)
        resolved = tiny(*overrides, recipe=recipe)
        return Recognizer(build_model(resolved, 3, schema), resolved, schema, "cpu")

    return made


@pytest.fixture(scope="module")
def person(make: Make) -> Recognizer:
    return make("reid-strong-baseline", schema=NO_ATTRIBUTES)


@pytest.fixture(scope="module")
def bruna(make: Make) -> Recognizer:
    return make("reid-bruna", "model.dim=6")


def test_features_are_the_networks_on_normalised_pixels_with_length_one(person: Recognizer) -> None:
    image = person.recipe.image
    inputs = torch.from_numpy((PIXELS / 255 - image.mean) / image.std).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = F.normalize(person.features(inputs))
    found = person.embed(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_paths_pictures_and_arrays_give_the_same_features(person: Recognizer, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    wanted = person.embed(IMAGES)
    np.testing.assert_allclose(person.embed(paths), wanted, atol=1e-6)
    np.testing.assert_allclose(person.embed([Image.open(path) for path in paths], batch_size=2), wanted, atol=1e-6)


def test_features_of_no_image_are_as_wide_as_those_of_any(person: Recognizer, bruna: Recognizer) -> None:
    assert person.embed([]).shape == (0, person.width) == (0, person.embed(IMAGES[:1]).shape[1])
    features, attributes = bruna.embed_with_attributes([])
    assert attributes is not None
    assert (features.shape, attributes.shape) == ((0, 6), (0, 7))


@pytest.mark.parametrize("recipe", ["reid-vae", "reid-bruna"])
def test_flip_averages_with_the_mirrored_image(make: Make, recipe: str) -> None:
    plain, flipping = make(recipe), make(recipe, "retrieval.flip=true")
    mirrored = [pixels[:, ::-1] for pixels in IMAGES]
    pairs = zip(plain.embed_with_attributes(IMAGES), plain.embed_with_attributes(mirrored), strict=True)
    wanted = [one if one is None else (one + other) / 2 for one, other in pairs]
    for found, want in zip(flipping.embed_with_attributes(IMAGES), wanted, strict=True):
        assert (found is None) == (want is None)
        if want is not None:
            np.testing.assert_allclose(found, want, atol=1e-5)


def test_flip_comes_before_the_length(make: Make) -> None:
    plain, flipping = (make("reid-vae", "retrieval.metric=cosine", f"retrieval.flip={flip}") for flip in (False, True))
    with torch.no_grad():
        inputs = plain.inputs(IMAGES)
        mean = (plain.features(inputs) + plain.features(inputs.flip(3))) / 2
    np.testing.assert_allclose(flipping.embed(IMAGES), F.normalize(mean), atol=1e-5)


def test_attributes_that_the_metric_weighs_come_beside_the_features(bruna: Recognizer, person: Recognizer) -> None:
    features, attributes = bruna.embed_with_attributes(IMAGES)
    np.testing.assert_array_equal(features, bruna.embed(IMAGES))
    assert features.shape == (5, 6)
    seen = bruna.recognise(IMAGES)
    np.testing.assert_allclose(
        attributes, np.concatenate([seen[name] for name in ("hat", "age", "junk")], 1), atol=1e-6
    )
    assert (bruna.weighs_attributes, person.weighs_attributes) == (True, False)
    assert person.embed_with_attributes(IMAGES)[1] is None


def test_junk_is_what_its_probability_says(bruna: Recognizer) -> None:
    records = [Record("a.jpg"), Record("b.jpg")]
    attributes = np.array([[0.9, 0.1, 0.2, 0.2, 0.6, 0.4, 0.6], [0.1, 0.9, 0, 0, 1, 0.6, 0.4]], np.float32)
    assert bruna.junk(Embeddings(np.zeros((2, 6), np.float32), records, attributes)).tolist() == [True, False]


def test_probabilities_are_the_schemas_and_sum_to_one(make: Make) -> None:
    model = make("attributes-multihead")
    found = model.recognise(IMAGES)
    assert {name: values.shape for name, values in found.items()} == {"hat": (5, 2), "age": (5, 3), "junk": (5, 2)}
    for values in found.values():
        np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
    assert {name: values.shape for name, values in model.recognise([]).items()} == {"hat": (0, 2), "age": (0, 3), "junk": (0, 2)}  # fmt: skip


def test_masks_are_probabilities_of_the_recipes_size(make: Make) -> None:
    model = make("segmentation-unet")
    found = model.segment([np.zeros((70, 40, 3), np.uint8), *IMAGES])
    assert found.shape == (6, 32, 16)
    assert ((found >= 0) & (found <= 1)).all()
    with torch.no_grad():
        logits = model.model.segment(model.inputs(IMAGES))  # type: ignore[operator]
    np.testing.assert_allclose(found[1:], 1 / (1 + np.exp(-logits[:, 0].numpy())), atol=1e-5)


def test_reconstructions_are_pictures_and_their_errors_squares(make: Make) -> None:
    model = make("junk-autoencoder")
    made = model.reconstruct_batch(BATCH)
    assert (made.dtype, made.shape) == (np.uint8, (5, 3, 32, 16))
    inputs = model.inputs(IMAGES)
    with torch.no_grad():
        anew = model.model.reconstruct(inputs)  # type: ignore[operator]
    np.testing.assert_allclose(
        model.reconstruction_error_batch(BATCH), ((anew - inputs) ** 2).mean((1, 2, 3)), rtol=1e-4
    )
    image = model.recipe.image
    pixels = anew.numpy() * np.reshape(image.std, (3, 1, 1)) + np.reshape(image.mean, (3, 1, 1))
    assert np.abs(made - 255 * pixels.clip(0, 1)).max() <= 0.51, "rounded"


def test_detail_is_the_squared_difference_of_neighbours(make: Make) -> None:
    model = make("junk-autoencoder")
    flat = torch.full((3, 32, 16), 90, dtype=torch.uint8)
    stripes = flat.clone()
    stripes[:, ::2] = 40  # each row differs from the next by 50, each column from the next by nothing
    steps = 50 / 255 / np.array(model.recipe.image.std)
    found = model.detail_batch(torch.stack([flat, stripes]))
    np.testing.assert_allclose(found, [1e-6, steps.mean() ** 2], rtol=1e-4)


def test_new_images_follow_torchs_random_numbers(make: Make) -> None:
    model = make("reid-vae")
    torch.manual_seed(7)
    first = model.sample_batch(2)
    torch.manual_seed(7)
    np.testing.assert_array_equal(model.sample_batch(2), first)
    assert (first.dtype, first.shape) == (np.uint8, (2, 3, 32, 16))
    assert (first[0] != first[1]).any()


def test_batches_hold_every_readable_image_once_in_order(make: Make, crowd: ReidDataset, tmp_path: Path) -> None:
    model = make("reid-strong-baseline", "loader.batch_size=3")
    records = [*crowd.query[:2], Record(corrupt(tmp_path / "bad.jpg")), *crowd.gallery[:2]]
    told: list[int] = []
    batches = list(model.batches(records, progress=told.append))
    assert [batch.index.tolist() for batch in batches] == [[0, 1], [3, 4]]
    assert ["bad.jpg" in line for batch in batches for line in batch.failed] == [True]
    assert told == [3, 2]


def test_batches_are_embedded_in_order_each_after_the_next_one_is_begun(
    person: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    own = Recognizer.compare

    def compare(self: Recognizer, images: torch.Tensor):  # type: ignore[no-untyped-def]
        events.append(f"begins {len(images)}")
        return own(self, images)

    monkeypatch.setattr(Recognizer, "compare", compare)
    batches = [SimpleNamespace(images=part) for part in (BATCH[:2], BATCH[:0], BATCH[2:])]
    found = []
    for batch, values in person.embedded(batches):
        events.append(f"ends {len(batch.images)}")
        found.append(values)
    assert events == ["begins 2", "ends 2", "begins 3", "ends 0", "ends 3"]
    assert found[1] is None
    np.testing.assert_allclose(joined([found[0], found[2]])[0], person.embed(IMAGES), atol=1e-6)
    assert list(person.embedded([])) == []


def test_weighed_attributes_are_embedded_with_each_batch(bruna: Recognizer) -> None:
    ((_, found),) = bruna.embedded([SimpleNamespace(images=BATCH)])
    assert found is not None
    for values, wanted in zip(found, bruna.embed_with_attributes(IMAGES), strict=True):
        np.testing.assert_allclose(values, wanted, atol=1e-6)


def test_the_fingerprint_tells_models_apart_whose_features_do_not_compare(make: Make, tmp_path: Path) -> None:
    recipe = "reid-strong-baseline"
    mark = make(recipe).fingerprint
    assert make(recipe, "epochs=9", "loader.batch_size=2").fingerprint == mark
    assert make(recipe, "image.std=[0.2, 0.2, 0.2]").fingerprint != mark
    assert make(recipe, "image.interpolation=bicubic").fingerprint != mark
    assert make(recipe, "image.colours=bgr").fingerprint != mark
    assert make(recipe, "retrieval.metric=euclidean").fingerprint != mark
    model = make(recipe)
    next(model.model.parameters()).data[0] += 0.001
    assert model.fingerprint != mark


def test_what_a_model_cannot_do_is_said_with_a_recipe_that_can(make: Make, person: Recognizer) -> None:
    with pytest.raises(
        RunError, match="recognises no attributes; train one, such as `resight train attributes-multihead"
    ):
        person.recognise(IMAGES)
    with pytest.raises(RunError, match="makes no masks; train one that does: `resight train segmentation-unet`"):
        person.segment(IMAGES)
    with pytest.raises(RunError, match="reconstructs no images; train one that does"):
        person.reconstruct_batch(BATCH)
    with pytest.raises(RunError, match="makes no new images; train one that does"):
        person.sample_batch(1)
    with pytest.raises(RunError, match="junk can be dropped for runs that weigh attributes and learn junk"):
        person.junk(Embeddings(np.zeros((1, 2), np.float32), [Record("a.jpg")]))
    for recipe in ("attributes-multihead", "segmentation-unet"):
        other = make(recipe)
        with pytest.raises(RunError, match="makes no embeddings; give one of a re-identification recipe"):
            other.embed(IMAGES)
        with pytest.raises(RunError, match="makes no embeddings; give one of a re-identification recipe"):
            other.features(other.inputs(IMAGES))


@pytest.mark.parametrize(
    ("recipe", "task"),
    [
        ("reid-strong-baseline", lambda model: model.embed(IMAGES)),
        ("attributes-multihead", lambda model: model.recognise(IMAGES)),
        ("segmentation-unet", lambda model: model.segment(IMAGES)),
        ("junk-autoencoder", lambda model: model.reconstruction_error_batch(BATCH)),
        ("reid-vae", lambda model: model.reconstruct_batch(BATCH)),
        ("reid-vae", lambda model: model.sample_batch(2)),
    ],
)
def test_a_model_that_diverged_says_so_instead_of_answering(
    make: Make, recipe: str, task: Callable[[Recognizer], object]
) -> None:
    model = make(recipe)
    task(model)
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(RunError, match=r"not finite: its training diverged; train it anew"):
        task(model)


def test_an_image_that_cannot_be_read_is_named(person: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        person.embed([IMAGES[0], corrupt(tmp_path / "bad.jpg")])


def test_attributes_are_weighed_only_where_they_are_learned(tiny: Callable[..., Recipe]) -> None:
    recipe = tiny("retrieval.metric=attribute-weighted")
    assert metric_of(recipe, CLOTHES) == "attribute-weighted"
    with pytest.raises(RecipeError, match="attribute-weighted is for systems that learn identities and attributes"):
        metric_of(recipe)
    assert metric_of(tiny("retrieval.metric=euclidean")) == "euclidean"


def test_batches_are_joined_in_order() -> None:
    parts = [(np.full((count, 2), count), np.full((count, 3), -count)) for count in (2, 1)]
    features, attributes = joined(parts)
    assert features.tolist() == [[2, 2], [2, 2], [1, 1]]
    assert attributes is not None
    assert attributes[:, 0].tolist() == [-2, -2, -1]
    assert joined([(features, None), (features, None)])[1] is None


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder .*; `resight train` makes one"):
        load(tmp_path)


def test_a_run_comes_from_the_hub_by_name(person: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "snapshot", person.recipe, classes=3)
    run.save()
    run.save_weights(person.model)
    calibration = calibrated(run.folder)

    def snapshot(name: str, allow_patterns: list[str]) -> str:
        if name != "someone/street":
            raise OSError("offline")
        assert "*" not in "".join(allow_patterns), "no more than a run's own files"
        return shutil.copytree(run.folder, tmp_path / "fetched", ignore=lambda _, names: {*names} - {*allow_patterns})

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    model = load("hf:someone/street", "cpu")
    assert model.source == "hf:someone/street"
    assert model.calibration == calibration
    np.testing.assert_allclose(model.embed(IMAGES), person.embed(IMAGES), atol=1e-6)
    with pytest.raises(RunError, match=r"hf:someone/else cannot be fetched \(OSError\); connect, or give a run folder"):
        load("hf:someone/else")


@pytest.mark.parametrize("name", ["vae", "bruna"])
def test_an_older_run_embeds_as_it_did(name: str) -> None:
    paths = [record.path for record in legacy_street().query]
    features, attributes = load(LEGACY / "runs" / name, "cpu").embed_with_attributes(paths)
    # Probabilities stood behind the features then.
    found = features if attributes is None else np.concatenate([features, attributes], axis=1)
    np.testing.assert_allclose(found, expected(name)["embed"], atol=1e-5)


@pytest.mark.parametrize("name", ["attributes", "bruna"])
def test_an_older_run_recognises_as_it_did(name: str) -> None:
    paths = [record.path for record in legacy_street().query]
    found, wanted = load(LEGACY / "runs" / name, "cpu").recognise(paths), expected(name)["recognise"]
    assert list(found) == list(wanted)
    for attribute, values in wanted.items():
        np.testing.assert_allclose(found[attribute], values, atol=1e-5)
