"""Training: it learns, it survives, it refuses what it cannot do."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.batchnorm import _BatchNorm

from resight.data.formats.manifest import write_manifest
from resight.data.training_set import divide
from resight.errors import DataError, RecipeError, RunError, WeightsError
from resight.recognizer import load
from resight.records import NO_ATTRIBUTES, Record, ReidDataset
from resight.run import Run, build_model
from resight.training import alone, resume, train
from tests.support.commands import command
from tests.support.cuts import assert_resumes_to_the_same
from tests.support.images import corrupt
from tests.support.legacy import LEGACY, copied, legacy_street
from tests.support.recipes import tiny_overrides, tiny_recipe
from tests.support.runs import assert_equal_weights, metrics, weights


def test_a_run_learns_and_loads_as_a_recognizer(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(
        tiny("epochs=12", "optimiser.lr=0.002", "schedule.milestones=[10]"),
        crowd,
        tmp_path / "run",
        quiet=True,
    )
    losses = [float(row["train/loss"]) for row in metrics(tmp_path / "run")]
    assert len(losses) == 12
    assert losses[-1] < 0.7 * losses[0]
    model = load(run.folder)
    features = model.embed([record.path for record in crowd.train])
    assert features.shape == (len(crowd.train), 512)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    ids = np.array([record.identity for record in crowd.train])
    similarity = features @ features.T
    np.fill_diagonal(similarity, -1)
    assert (ids[similarity.argmax(1)] == ids).mean() > 0.9, "the nearest image shows the same identity"
    assert (tmp_path / "run" / "tensorboard").is_dir()


@pytest.mark.slow
def test_a_training_that_starts_from_a_run_is_resumed_to_the_same(
    trained: Run, crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    """Cut before its first epoch was saved, it starts from that run again."""
    told: list[str] = []
    recipe = tiny("epochs=1", "loggers=[]")
    whole = train(recipe, crowd, tmp_path / "whole", start=trained.folder, quiet=True, tell=told.append)
    assert told[0].startswith(f"from {trained.folder}: ")
    assert whole.start == str(trained.folder)
    scratch = train(recipe, crowd, tmp_path / "scratch", quiet=True)
    assert not torch.equal(weights(scratch.folder)["classifier.weight"], weights(whole.folder)["classifier.weight"])
    cut = replace(whole, folder=tmp_path / "cut", finished=False)
    cut.save()
    resume(tmp_path / "cut", crowd, quiet=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_start_that_does_not_fit_writes_nothing(trained: Run, crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit, and nothing was loaded"):
        train(tiny("model.backbone=resnet18"), crowd, tmp_path / "run", start=trained.folder, quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("augment", ["batch", "image"])
def test_a_cut_training_with_the_cache_and_any_augmentation_resumes_to_the_same(
    augment: str, crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIGHT_CACHE", str(tmp_path / "cache"))
    recipe = tiny("loader.cache=auto", f"loader.augment={augment}", "augmentation.jitter={}")
    # The cache is removed as well: what is decoded anew is the same.
    whole = assert_resumes_to_the_same(recipe, crowd, tmp_path, lambda: shutil.rmtree(tmp_path / "cache"))
    from_files = tiny(f"loader.augment={augment}", "augmentation.jitter={}")
    train(from_files, crowd, tmp_path / "files", quiet=True)
    read = torch.load(tmp_path / "files" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(whole[part], read[part]) for part in read)
    assert all(0 <= float(row["data/wait"]) < 1 for row in metrics(tmp_path / "whole"))


def test_same_seed_same_weights_other_seed_other_weights(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny("epochs=1", f"seed={seed}"), crowd, tmp_path / name, quiet=True)
    assert_equal_weights(tmp_path / "a", tmp_path / "b")
    assert not torch.equal(weights(tmp_path / "a")["classifier.weight"], weights(tmp_path / "c")["classifier.weight"])


@pytest.mark.slow
def test_a_run_killed_with_sigkill_resumes_to_equal_weights(crowd_spec: str, tmp_path: Path) -> None:
    # Mining with a decaying bias and two optimisers have the most state to lose.
    recipe = ["reid-camera-mining", *tiny_overrides("reid-camera-mining"), "epochs=6", "--data", crowd_spec]
    subprocess.run(command("train", *recipe, "--out", str(tmp_path / "whole")), check=True)
    victim = subprocess.Popen(command("train", *recipe, "--out", str(tmp_path / "cut")))
    while not (tmp_path / "cut" / "metrics.csv").exists() or len(metrics(tmp_path / "cut")) < 2:
        assert victim.poll() is None, "ended before it could be killed"
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    subprocess.run(command("train", "--resume", str(tmp_path / "cut")), check=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")
    figures = [
        {key: row[key] for key in row if key not in ("seconds", "data/wait")} for row in metrics(tmp_path / "whole")
    ]
    assert figures == [
        {key: row[key] for key in row if key not in ("seconds", "data/wait")} for row in metrics(tmp_path / "cut")
    ]


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_resumes_to_equal_weights(crowd_spec: str, tmp_path: Path) -> None:
    recipe = [
        "reid-strong-baseline",
        *tiny_overrides(),
        "epochs=5",
        "validation.ratio=0.4",
        "validation.every=1",
        "--data",
        crowd_spec,
    ]
    subprocess.run(command("train", *recipe, "--out", str(tmp_path / "whole")), check=True)
    victim = subprocess.Popen(
        command("train", *recipe, "--out", str(tmp_path / "cut")),
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, and their children with them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (tmp_path / "cut" / "metrics.csv").exists():
        assert victim.poll() is None, "ended before it could be interrupted"
        time.sleep(0.02)
    victim.send_signal(signal.SIGINT)
    _, told = victim.communicate(timeout=300)
    assert victim.returncode == 130
    assert f"resight train --resume {tmp_path / 'cut'}" in told
    assert "Traceback" not in told
    subprocess.run(command("train", "--resume", str(tmp_path / "cut")), check=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")


def test_killed_before_the_first_epoch_ended_begins_again(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    train(tiny("epochs=1"), crowd, tmp_path / "whole", quiet=True)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for name in ("last.ckpt", "model.safetensors", "metrics.csv"):
        (tmp_path / "cut" / name).unlink()
    run = Run.open(tmp_path / "cut")
    run.finished = False
    run.save()
    resume(tmp_path / "cut", crowd, quiet=True)
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "attributes"])
def test_an_older_training_that_was_cut_ends_where_it_would_have(name: str, tmp_path: Path) -> None:
    folder = copied(f"runs/{name}-cut", tmp_path)
    resume(folder, legacy_street(), quiet=True)
    # Wide enough for another processor's rounding; the last epoch moves weights by several times as much.
    found, wanted = weights(folder), weights(LEGACY / "runs" / name)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, atol=5e-4, rtol=1e-3, err_msg=key)


@pytest.mark.slow
def test_two_processes_train_as_one_does_on_the_same_batches(tiny, tmp_path: Path) -> None:
    """Losses, weights, averaged weights and validations agree, though one image cannot be read and mining sees all others."""
    dataset = noisy_crowd(tmp_path / "crowd")
    write_manifest(tmp_path / "crowd.csv", dataset)
    torch.manual_seed(tiny().seed)
    network = build_model(tiny(), 4, NO_ATTRIBUTES, pretrained=False)
    # A process's BatchNorm has the statistics of its share, so that it is kept out.
    norms = {name: "always" for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
    recipe = tiny(
        "epochs=3",
        "validation.ratio=0.34",
        "validation.every=1",
        "loader.batch_size=3",
        "optimiser={name: sgd, lr: 0.05}",
        "average={name: swa, start: 1}",
        f"freeze={norms}",
    )
    train(recipe, dataset, tmp_path / "one", quiet=True)
    recipe.trainer.devices = 2
    (tmp_path / "two.yaml").write_text(recipe.to_yaml())
    words = ["--data", f"manifest:{tmp_path / 'crowd.csv'}", "--out", tmp_path / "two"]
    ended = subprocess.run(
        command("train", tmp_path / "two.yaml", *words), check=True, timeout=300, capture_output=True, text=True
    )
    assert ended.stdout.count(f"run: {tmp_path / 'two'}\n") == 1, "one process speaks"
    assert ended.stderr.count("1 image could not be read") == 1
    one, two = (metrics(tmp_path / name) for name in ("one", "two"))
    assert len(two) == 3
    for row, shared in zip(one, two, strict=True):
        assert row.keys() == shared.keys()
        for name in row.keys() - {"seconds", "data/wait"}:
            assert (shared[name] == row[name] == "") or float(shared[name]) == pytest.approx(
                float(row[name]), rel=1e-3, abs=1e-5
            ), name
    assert 0 < float(two[-1]["val/mAP"]) < 1, "some queries are hard"
    kept, shared = (torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("one", "two"))
    averages = [run["callbacks"]["Averaging"]["averaged"] for run in (kept, shared)]
    torch.testing.assert_close(shared["state_dict"], kept["state_dict"], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(averages[1], averages[0], rtol=1e-3, atol=1e-5)
    moved = {
        name: (shared["state_dict"][f"model.{name}"] - values).abs() for name, values in network.state_dict().items()
    }
    assert max(float(by.max()) for by in moved.values()) > 1e-2, "much farther than one is from the other"


def noisy_crowd(folder: Path) -> ReidDataset:
    """Six people of eight images each, of a colour that is hard to see; one image is broken."""
    folder.mkdir()
    random = np.random.default_rng(0)
    made = []
    for identity in range(1, 7):
        colour = random.integers(0, 255, 3)
        for shot in range(8):
            path = folder / f"{identity}_{shot}.png"
            Image.fromarray(np.clip(colour + random.normal(0, 300, (48, 24, 3)), 0, 255).astype(np.uint8)).save(path)
            made.append(Record(str(path), identity, camera=1 + shot // 4))
    held = divide(tiny_recipe("validation.ratio=0.34"), ReidDataset("noisy", train=made), {"identities"})
    corrupt(Path(held.fitted[3].path))
    return ReidDataset("noisy", train=made)


@pytest.mark.slow
def test_a_training_that_diverges_in_one_process_ends_in_all_and_is_resumed_to_the_same(
    crowd_spec: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    sizes = [
        *tiny_overrides(),
        "sampler.identities=2",
        "sampler.images=2",
        "losses.identity.weight=0",  # and so a classifier without a gradient
        "trainer.devices=2",
    ]
    code = (
        "import atexit, sys\n"
        "from resight.cli import main\n"
        "from resight.engine.processes import connected\n"
        "from resight.tasks.reid.system import EmbeddingSystem\n"
        "step = EmbeddingSystem.step\n"
        "def diverging(self, inputs, batch):\n"
        "    last = self.current_epoch == 1 and self.global_rank == 1\n"
        "    return {name: loss * float('nan') if last else loss for name, loss in step(self, inputs, batch).items()}\n"
        "EmbeddingSystem.step = diverging\n"
        "atexit.register(lambda: print('connected:', connected(), file=sys.stderr))\n"
        "main(sys.argv[1:])\n"
    )
    script = tmp_path / "diverging.py"  # a file, which Lightning starts again for the second process
    script.write_text(code)
    words = ["train", "reid-strong-baseline", *sizes, "epochs=3", "--data", crowd_spec, "--out", str(folder)]
    ended = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 2
    assert ended.stderr.count("the loss is not finite in epoch 2: the training has diverged") == 2, (
        "a line of each process"
    )
    assert f"{folder} keeps epoch 1" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("connected: False") == 2, "they parted while Python ran"
    assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 0
    assert [row["epoch"] for row in metrics(folder)] == ["1"]
    # Without the fault it goes on.
    subprocess.run(command("train", "--resume", folder), check=True, timeout=300)
    assert [row["epoch"] for row in metrics(folder)] == ["1", "2", "3"]
    assert Run.open(folder).finished
    words[-1] = str(tmp_path / "whole")
    subprocess.run(command(*words), check=True, timeout=300)
    assert_equal_weights(tmp_path / "whole", folder)
    assert load(folder).embed([np.zeros((32, 16, 3), np.uint8)]).shape == (1, 512)


@pytest.mark.slow
def test_a_run_that_other_devices_resume_says_what_that_does(trained: Run, crowd: ReidDataset, tmp_path: Path) -> None:
    def told_by_a_resume_of(before: int | None) -> list[str]:
        shutil.copytree(trained.folder, tmp_path / str(before))
        run = replace(Run.open(tmp_path / str(before)), finished=False, processes=before)
        run.recipe.epochs += 1
        run.recipe.trainer.devices = 1
        run.save()
        told: list[str] = []
        resume(run.folder, crowd, quiet=True, tell=told.append)
        assert Run.open(run.folder).processes == 1
        return told

    assert told_by_a_resume_of(1) == told_by_a_resume_of(None) == []
    (line,) = told_by_a_resume_of(2)
    assert line.startswith("trained by 2 processes before, by 1 from here on: the batches are the same")


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_destroys_no_checkpoint(crowd_spec: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recipe = ["reid-strong-baseline", *tiny_overrides(), "epochs=2", "--data", crowd_spec, "--out", str(folder)]
    subprocess.run(command("train", *recipe), check=True)
    before = (folder / "last.ckpt").read_bytes()
    run = Run.open(folder)
    run.finished, run.recipe.epochs = False, 4
    run.save()

    def no_room() -> None:  # no file may grow beyond 1 MB; the checkpoint needs more
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))

    ended = subprocess.run(
        command("train", "--resume", str(folder)), preexec_fn=no_room, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "cannot write" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (folder / "last.ckpt").read_bytes() == before
    assert not list(folder.glob(".*partial*"))
    subprocess.run(command("train", "--resume", str(folder)), check=True)
    assert len(metrics(folder)) == 4


def test_validation_keeps_the_best_weights_and_can_stop_early(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    recipe = tiny(
        "epochs=8", "validation.ratio=0.4", "validation.every=1", "validation.patience=2", "optimiser.lr=1e-12"
    )
    train(recipe, crowd, tmp_path / "run", quiet=True)
    # At so low a rate only BatchNorm moves; the figure cannot keep rising for long.
    seen = [float(row["val/mAP"]) for row in metrics(tmp_path / "run")]
    assert 3 <= len(seen) < 8
    assert all(0 < value <= 1 for value in seen)
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_training_too_short_for_a_validation_keeps_its_last_weights_and_says_so(
    crowd: ReidDataset, tiny, tmp_path: Path
) -> None:
    told: list[str] = []
    recipe = tiny("epochs=1", "validation.ratio=0.4", "validation.every=2")
    run = train(recipe, crowd, tmp_path / "run", quiet=True, tell=told.append)
    assert told[-1].startswith("fewer epochs than validation.every = 2: there was no validation; the last")
    assert run.finished
    assert load(run.folder).embed([crowd.train[0].path]).shape == (1, 512)


def test_unreadable_images_are_left_out_and_named(crowd: ReidDataset, tiny, tmp_path: Path, capfd) -> None:
    bad = replace(crowd.train[0], path=corrupt(tmp_path / "broken.jpg"))
    broken, told = replace(crowd, train=[bad, *crowd.train[1:]]), []
    train(tiny("epochs=1"), broken, tmp_path / "run", quiet=True, tell=told.append)
    assert "1 image could not be read" in told[0]
    assert "broken.jpg" in told[1]
    train(tiny("epochs=1"), broken, tmp_path / "silent")
    assert capfd.readouterr() == ("", ""), "a library prints nothing that nobody asks for"


def test_every_trick_has_a_switch(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    plain = tiny(
        "epochs=1",
        "schedule.warmup_epochs=0",
        "augmentation.erasing.probability=0",
        "losses.identity.label_smoothing=0",
        "model.last_stride=2",
        "model.neck=none",
        "losses.centre.weight=0",
    )
    train(plain, crowd, tmp_path / "run", quiet=True)
    row = metrics(tmp_path / "run")[0]
    assert float(row["lr"]) == pytest.approx(3.5e-4)
    assert "train/centre" not in row
    assert not any(name.startswith("neck") for name in weights(tmp_path / "run"))


def test_accumulating_two_batches_steps_half_as_often(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    train(tiny("epochs=1", "trainer.accumulate=2", "trainer.clip=1.0"), crowd, tmp_path / "run", quiet=True)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 2, "three batches: one pair and the epoch's last"


def test_bad_input_is_named_before_anything_is_written(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DataError, match="no training split"):
        train(tiny(), replace(crowd, train=[]), out, quiet=True)
    for overrides, told in (
        (["model.backbone=resnet18x"], "timm has no model"),
        (["model.backbone=vit_tiny_patch16_224"], "last_stride=2"),
        (["losses.tripletx.weight=1"], "did you mean 'triplet'"),
        (["augmentation.flop.probability=1"], "did you mean 'flip'"),
        (["optimiser.learning_rate=1"], "there is: lr, weight_decay"),
        (
            ["losses.identity.weight=0", "losses.triplet.weight=0", "losses.centre.weight=0"],
            "every weight is 0",
        ),
    ):
        with pytest.raises(RecipeError, match=told.replace("(", r"\(")):
            train(tiny(*overrides), crowd, out, quiet=True)
    with pytest.raises(DataError, match="sampler.identities=6"):
        train(tiny("sampler.identities=9"), crowd, out, quiet=True)
    assert not out.exists()
    train(tiny("epochs=1"), crowd, out, quiet=True)
    with pytest.raises(RunError, match="--resume"):
        train(tiny("epochs=1"), crowd, out, quiet=True)


def test_resuming_on_other_data_is_refused(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(tiny("epochs=1"), crowd, tmp_path / "run", quiet=True)
    run.finished = False
    run.save()
    fewer = replace(crowd, train=[record for record in crowd.train if record.identity != 1])
    with pytest.raises(RunError, match="trained on 6 identities and this data has 5"):
        resume(tmp_path / "run", fewer, quiet=True)
    renamed = [replace(record, identity=9) if record.identity == 1 else record for record in crowd.train]
    with pytest.raises(RunError, match="trained on other images, identities or classes than this data has"):
        resume(tmp_path / "run", replace(crowd, train=renamed), quiet=True)
    other = shutil.copy(crowd.train[1].path, tmp_path / Path(crowd.train[0].path).name)
    Path(other).write_bytes(Path(other).read_bytes() + b"\0")
    replaced = [replace(crowd.train[0], path=str(other)), *crowd.train[1:]]
    with pytest.raises(RunError, match="trained on other images"):
        resume(tmp_path / "run", replace(crowd, train=replaced), quiet=True)
    run.digest = None  # as in a run of a version that kept none
    run.save()
    resume(tmp_path / "run", replace(crowd, train=renamed), quiet=True)


def test_what_another_training_left_is_not_taken_up(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    for name in ("last.ckpt", "metrics.csv", "model.safetensors", "validation.safetensors"):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).touch()
        with pytest.raises(RunError, match=rf"holds {name} of another training; choose another --out, or remove that"):
            train(tiny("epochs=1"), crowd, out, quiet=True)
        assert [file.name for file in out.iterdir()] == [name]


def test_a_checkpoint_further_on_than_the_recipe_is_one_line(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    run = train(tiny("epochs=3"), crowd, tmp_path / "run", quiet=True)
    run.finished, run.recipe.epochs = False, 1
    run.save()
    with pytest.raises(
        RecipeError, match=r"run: You restored a checkpoint with current_epoch=\d, .*max_epochs=1"
    ) as told:
        resume(run.folder, crowd, quiet=True)
    assert "\n" not in str(told.value)


def test_a_folder_in_which_another_process_trains_is_refused(
    crowd: ReidDataset, trained: Run, tiny, tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(trained.folder, tmp_path / "run"))
    run.finished = False
    run.save()
    told = rf"is in use by another process \(number {os.getpid()}\); wait until that has ended"
    with alone(run.folder), pytest.raises(RunError, match=told):
        resume(run.folder, crowd, quiet=True)
    with alone(tmp_path / "new"), pytest.raises(RunError, match=told):
        train(tiny("epochs=1"), crowd, tmp_path / "new", quiet=True)
    assert resume(run.folder, crowd, quiet=True).finished
    assert not (run.folder / ".lock").exists()


class Exploit:
    def __reduce__(self):  # what a malicious pickle does
        return os.system, ("touch exploited",)


def test_no_file_of_a_run_can_execute_code(crowd: ReidDataset, tiny, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = train(tiny("epochs=1"), crowd, tmp_path / "run", quiet=True)
    torch.save({"state_dict": Exploit()}, run.checkpoint)
    run.finished = False
    run.save()
    with pytest.raises(RunError, match="damaged"):
        resume(run.folder, crowd, quiet=True)
    torch.save(Exploit(), run.weights)
    with pytest.raises(RunError, match="damaged"):
        load(run.folder)
    assert not Path("exploited").exists()


def test_a_training_that_diverges_ends_and_keeps_what_was_good(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    wild = ["optimiser.lr=1e22", "schedule={name: constant, warmup_epochs: 1, warmup_factor: 1e-25}"]
    recipe = tiny("epochs=4", "validation.ratio=0.4", "validation.every=1", "sampler.identities=3", *wild)
    with pytest.raises(RunError, match=r"is not finite in epoch 2: .* keeps epoch 1; train anew with a lower"):
        train(recipe, crowd, tmp_path / "run", quiet=True)
    assert not Run.open(tmp_path / "run").finished
    assert [row["epoch"] for row in metrics(tmp_path / "run")] == ["1"]
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert state["epoch"] == 0
    for kept in (weights(tmp_path / "run"), state["state_dict"]):
        assert all(value.isfinite().all() for value in kept.values() if value.is_floating_point())


def test_a_training_that_can_read_no_image_is_no_success(crowd: ReidDataset, tiny, tmp_path: Path) -> None:
    broken = [corrupt(tmp_path / name) for name in ("broken.jpg", "other.jpg")]
    dataset = replace(crowd, train=[replace(one, path=broken[place % 2]) for place, one in enumerate(crowd.train)])
    with pytest.raises(DataError, match=r"none of 2 images could be read; the first: .*broken\.jpg"):
        train(tiny("epochs=1"), dataset, tmp_path / "run", quiet=True)
    assert not Run.open(tmp_path / "run").finished
