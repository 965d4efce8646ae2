"""Metrics for Prometheus, named as imgproxy names its own. Needs `prometheus_client`.

    path("metrics", resizer.contrib.prometheus.metrics)

Importing this module begins to count. With several processes, set PROMETHEUS_MULTIPROC_DIR, as `prometheus_client` describes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import prometheus_client
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import Counter, Histogram, multiprocess

from resizer.signals import variant_refused, variant_rendered, variant_served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.errors import ResizerError

NAMESPACE = "resizer"

requests = Counter("requests", "Requests for variants.", namespace=NAMESPACE)
status_codes = Counter(
    "status_codes", "Responses by their status.", ["status"], namespace=NAMESPACE
)
errors = Counter("errors", "Errors by their class.", ["type"], namespace=NAMESPACE)
served = Counter(
    "variants_served",
    "Variants served from the storage, or rendered.",
    ["result"],
    namespace=NAMESPACE,
)
served_bytes = Counter("variants_served_bytes", "Bytes of served variants.", namespace=NAMESPACE)
#: A hit takes a millisecond, a miss a second or two.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
durations = Histogram(
    "request_duration_seconds",
    "Seconds from a request to its response.",
    ["result"],
    namespace=NAMESPACE,
    buckets=BUCKETS,
)
spans = Histogram(
    "request_span_duration_seconds",
    "Seconds of each step of a render.",
    ["span"],
    namespace=NAMESPACE,
)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics of the process, or of all processes of a host. Let only your Prometheus ask for them."""
    registry = prometheus_client.REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = prometheus_client.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    content = prometheus_client.generate_latest(registry)
    return HttpResponse(content, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _count_served(bytes: int, is_hit: bool, status: int, seconds: float, **_: Any) -> None:
    result = "hit" if is_hit else "miss"
    requests.inc()
    status_codes.labels(str(status)).inc()
    served.labels(result).inc()
    durations.labels(result).observe(seconds)
    if status == 200:
        served_bytes.inc(bytes)


def _count_refused(error: ResizerError, seconds: float, **_: Any) -> None:
    durations.labels("error").observe(seconds)
    requests.inc()
    status_codes.labels(str(error.status)).inc()
    errors.labels(type(error).__name__).inc()


def _time_steps(timings: Mapping[str, float], **_: Any) -> None:
    for step, seconds in timings.items():
        spans.labels(step).observe(seconds)


variant_served.connect(_count_served, dispatch_uid="resizer.prometheus")
variant_refused.connect(_count_refused, dispatch_uid="resizer.prometheus")
variant_rendered.connect(_time_steps, dispatch_uid="resizer.prometheus")
