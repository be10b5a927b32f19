"""What a server counts of itself, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Counters of one server: requests by route and status, their seconds, sizes of batches, and what waits.

    Routes are templates (`/api/v1/images/{id}`), so that nobody who asks makes new ones.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter("resight_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self._seconds = Histogram("resight_request_seconds", "Seconds to answer.", labels, registry=self.registry)
        self._batches = Histogram(
            "resight_batch_images",
            "Images in a forward pass.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def batched(self, size: int) -> None:
        """Count a forward pass."""
        self._batches.observe(size)

    def watch(self, name: str, told: str, value: Callable[[], float]) -> None:
        """Show a value as it is whenever it is asked for."""
        Gauge(name, told, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
