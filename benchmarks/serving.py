"""Requests a second of `resight serve`, beside the model and the search alone.

    python benchmarks/serving.py                              # ResNet-18 at 128x64, 20,000 synthetic images
    python benchmarks/serving.py --gallery gallery --image query.jpg

The server is a process of its own on the same cores; clients send a JPEG and get ten hits. What is alone is one image after
the other, and batches of 32, in this process: no server on these cores is faster than the latter.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

from resight.data.images import decode_image
from resight.data.loaders import resize
from resight.gallery import Gallery
from resight.recipe import load_recipe
from resight.records import NO_ATTRIBUTES, Embeddings, Record
from resight.run import Run, build_model
from results import report
from side_by_side import where

CLIENTS = (1, 8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", default="", help="one that is there; by default a synthetic one is made")
    parser.add_argument("--image", default="", help="the picture that is sent")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each number of clients")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        place = options.gallery or _made(Path(folder), options.rows)
        data = Path(options.image).read_bytes() if options.image else _picture()
        print(f"{where()}: {len(Gallery.open(place)):,} images, a request of {len(data):,} bytes")
        limit = _alone(place, data)
        _served(place, data, options.seconds, limit)


def _made(folder: Path, rows: int) -> str:
    """A gallery of random directions, of a network that was never trained: what it finds does not matter here."""
    recipe = load_recipe(
        "reid-strong-baseline",
        ["model.backbone=resnet18.tv_in1k", "model.pretrained=false", "image.height=128", "image.width=64"],
    )
    run = Run(folder / "run", recipe, 10, NO_ATTRIBUTES, [], finished=True)
    run.save()
    run.save_weights(build_model(recipe, 10, NO_ATTRIBUTES))
    gallery = Gallery.create(folder / "gallery", model=run.folder)
    features = np.random.default_rng(0).standard_normal((rows, gallery.model.width), np.float32)
    records = [Record(f"/crops/{number}.jpg", number % 500, number % 6) for number in range(rows)]
    gallery.add_embeddings(Embeddings(features, records))
    return gallery.where


def _picture() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (128, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _alone(place: str, data: bytes) -> float:
    """Images a second of decoding, network and search without a server, in batches."""
    gallery = Gallery.open(place)
    model = gallery.model
    image = resize(decode_image(data, "image", 10**7), model.recipe.image)

    def once(batch: int) -> None:
        for _ in range(batch):
            resize(decode_image(data, "image", 10**7), model.recipe.image)
        features, attributes = model.embed_batch(torch.stack([image] * batch))
        for row in range(batch):
            beside = None if attributes is None else attributes[row : row + 1]
            gallery.search_individual(features[row : row + 1], 10, attributes=beside)

    rates = {}
    for batch in (1, 32):
        once(batch)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < 3:
            once(batch)
            done += batch
        rates[batch] = done / (time.perf_counter() - began)
    print(f"{'alone, one by one':28}{rates[1]:8.1f}/s")
    print(f"{'alone, batches of 32':28}{rates[32]:8.1f}/s")
    report("alone, one by one: requests/s", rates[1], "")
    report("alone, batches of 32: requests/s", rates[32], "")
    return rates[32]


def _served(place: str, data: bytes, seconds: float, limit: float) -> None:
    line = [sys.executable, "-m", "resight", "serve", place, "--port", "0", "--quiet"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next(line.split()[1] for line in process.stdout if line.startswith("open: "))
        _asked(address, data, 1, 1.0)
        for clients in CLIENTS:
            times, refused, elapsed = _asked(address, data, clients, seconds)
            if not times:
                print(f"served, {clients} clients: every request was told to wait")
                continue
            rate = len(times) / elapsed
            p50, p99 = 1000 * statistics.median(times), 1000 * float(np.percentile(times, 99))
            named = "1 client" if clients == 1 else f"{clients} clients"
            report(f"{named}: requests/s", rate, "")
            report(f"{named}: p50", p50, "ms")
            report(f"{named}: p99", p99, "ms")
            report(f"{named}: of what batches of 32 alone reach", rate / limit)
            print(
                f"{f'served, {named}':28}{rate:8.1f}/s  p50 {p50:6.0f} ms  p99 {p99:6.0f} ms  "
                f"{rate / limit:5.2f} of the limit  {refused} told to wait"
            )
    finally:
        process.terminate()
        process.wait()


def _asked(address: str, data: bytes, clients: int, seconds: float) -> tuple[list[float], int, float]:
    """Seconds of each request that was answered, how many were refused for their number, and seconds until the last answer."""
    times: list[float] = []
    refused = [0] * clients
    start = time.perf_counter()
    ending = start + seconds

    def ask(number: int) -> None:
        files, options = {"images": ("query.jpg", data, "image/jpeg")}, {"options": json.dumps({"k": 10})}
        with httpx.Client(base_url=address, headers={"X-Resight": "1"}, timeout=60) as client:
            while (began := time.perf_counter()) < ending:
                answer = client.post("api/v1/search", files=files, data=options)
                if answer.status_code in (429, 503):
                    refused[number] += 1
                    time.sleep(0.05)
                else:
                    answer.raise_for_status()
                    times.append(time.perf_counter() - began)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, sum(refused), time.perf_counter() - start


if __name__ == "__main__":
    main()
