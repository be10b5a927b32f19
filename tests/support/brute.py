"""The definitions, word by word and slowly: what the fast code is held against."""

from __future__ import annotations

import math

import numpy as np


def evaluate(
    distances,
    query_ids,
    gallery_ids,
    query_cameras,
    gallery_cameras,
    *,
    max_rank=50,
    depth=None,
    cameras=True,
):
    """Per query: (AP by precision, AP by trapezoid, inverse negative penalty, first rank); then CMC over matched ones."""
    rows = []
    for q in range(len(query_ids)):
        ranking = sorted(range(len(gallery_ids)), key=lambda g: (distances[q][g], g))
        kept = [
            g
            for g in ranking
            if gallery_ids[g] != -1
            and not (cameras and gallery_ids[g] == query_ids[q] and gallery_cameras[g] == query_cameras[q] != -1)
        ]
        hits = [gallery_ids[g] == query_ids[q] for g in kept]
        rows.append(measures(hits, depth))
    first = [row[3] for row in rows if row is not None]
    cmc = [sum(0 < rank <= k for rank in first) / len(first) for k in range(1, max_rank + 1)] if first else None
    return rows, cmc


def measures(hits, depth=None):
    relevant = sum(hits)
    if not relevant:
        return None
    precision = trapezoid = old_recall = 0.0
    old_precision, found, first, last = 1.0, 0, 0, 0
    for rank, hit in enumerate(hits if depth is None else hits[:depth], 1):
        found += hit
        recall, now = found / relevant, found / rank
        if hit:
            precision += now / relevant
            first = first or rank
            last = rank
        trapezoid += (recall - old_recall) * (old_precision + now) / 2
        old_recall, old_precision = recall, now
    return precision, trapezoid, found / last if found == relevant else 0.0, first


def rerank(original, queries, k1=20, k2=6, lambda_value=0.3):
    """Zhong et al. 2017 with dense matrices and a loop over images. `original` [N, N] is what the paper calls d."""
    count = len(original)
    scaled = original / original.max(axis=0)
    scaled = scaled.T.astype(np.float32)
    ranking = np.argsort(scaled, axis=1, kind="stable")

    def reciprocal(image, k):
        forward = ranking[image, : k + 1]
        return [other for other in forward if image in ranking[other, : k + 1]]

    weights = np.zeros((count, count), np.float32)
    for image in range(count):
        own = reciprocal(image, k1)
        expanded = list(own)
        for candidate in own:
            theirs = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(set(theirs) & set(own)) > 2 / 3 * len(theirs):
                expanded += theirs
        expanded = sorted(set(expanded))
        near = np.exp(-scaled[image, expanded])
        weights[image, expanded] = near / near.sum()
    if k2 > 1:
        weights = np.stack([weights[ranking[image, :k2]].mean(axis=0) for image in range(count)])
    result = np.empty((queries, count - queries), np.float32)
    for image in range(queries):
        minima = np.minimum(weights[image], weights[queries:]).sum(axis=1)
        jaccard = 1 - minima / (2 - minima)
        result[image] = (1 - lambda_value) * jaccard + lambda_value * scaled[image, queries:]
    return result


def single_shot(distances, query_ids, gallery_ids, query_cameras, gallery_cameras, max_rank):
    """Expected CMC of the single-shot protocol, over every possible draw of one gallery image per identity."""
    import itertools

    total, counted = np.zeros(max_rank), 0
    for q in range(len(query_ids)):
        groups: dict[int, list[int]] = {}
        for g, identity in enumerate(gallery_ids):
            if identity == -1 or (identity == query_ids[q] and gallery_cameras[g] == query_cameras[q]):
                continue
            groups.setdefault(identity if identity > 0 else -1 - g, []).append(g)
        if query_ids[q] not in groups:
            continue
        counted += 1
        share = math.prod(len(group) for group in groups.values())
        for draw in itertools.product(*groups.values()):
            order = sorted(draw, key=lambda g: (distances[q][g], g))
            rank = [gallery_ids[g] for g in order].index(query_ids[q]) + 1
            total[rank - 1 :] += 1 / share
    return total / counted
