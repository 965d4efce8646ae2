"""Spans for OpenTelemetry: one for each render, with one for each step. `ResizerConfig` connects it if the library is installed."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from resizer.signals import variant_rendered

if TYPE_CHECKING:
    from collections.abc import Mapping


def connect() -> None:
    """Record renders from now on, if the library is installed."""
    # The first name is a namespace of many packages.
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.trace") is None:
        return
    variant_rendered.connect(trace_steps, dispatch_uid="resizer.opentelemetry")


def trace_steps(key: str, bytes: int, timings: Mapping[str, float], **_: Any) -> None:
    """Record the steps after they are over: an engine works in another process, and tells its times at the end."""
    # Only when something is rendered: it takes 50 ms.
    from opentelemetry import trace

    tracer = trace.get_tracer("resizer")
    ended_at = time.time_ns()
    started_at = ended_at - _nanoseconds(sum(timings.values()))
    attributes: dict[str, str | int] = {"resizer.key": key, "resizer.bytes": bytes}
    render = tracer.start_span("resizer.render", start_time=started_at, attributes=attributes)
    with trace.use_span(render):
        for step, seconds in timings.items():
            span = tracer.start_span(f"resizer.{step}", start_time=started_at)
            started_at += _nanoseconds(seconds)
            span.end(end_time=started_at)
    render.end(end_time=ended_at)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
