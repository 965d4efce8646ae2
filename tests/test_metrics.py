"""Metrics, spans and the health URL."""

from __future__ import annotations

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.test import RequestFactory
from django.urls import include, path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from resizer.contrib import health, opentelemetry, prometheus
from resizer.engines.isolation.children import children
from resizer.engines.pillow import PillowEngine
from resizer.errors import Busy
from resizer.markup import picture
from resizer.signals import variant_rendered
from tests.conftest import CountingEngine, save, wait_until
from tests.documents import read
from tests.pictures import photograph

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

urlpatterns = [
    path("img/", include("resizer.urls")),
    path("metrics", prometheus.metrics),
    path("health/", include("resizer.contrib.health")),
]


@pytest.fixture(autouse=True)
def urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    health.forget()


def values(client: Client) -> dict[str, float]:
    """The samples of our metrics, by name and labels."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    lines = response.content.decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line.startswith("resizer_"))
    return {name: float(value) for name, value in samples}


def test_metrics_count_requests_errors_and_steps(client: Client) -> None:
    before = values(client)
    save("a.jpg")
    whole = photograph()
    save("half.jpg", whole[: len(whole) // 2])
    url = picture.url("a.jpg", width=320, format="jpeg")
    made = client.get(url)
    client.get(url)
    client.get(url, headers={"If-None-Match": made["ETag"]})
    client.get(picture.url("half.jpg", width=320, format="jpeg"))
    after = values(client)
    risen = {name: value - before.get(name, 0) for name, value in after.items()}
    assert risen["resizer_requests_total"] == 4
    assert risen['resizer_status_codes_total{status="200"}'] == 2
    assert risen['resizer_status_codes_total{status="304"}'] == 1
    assert risen['resizer_status_codes_total{status="422"}'] == 1
    assert risen['resizer_errors_total{type="UndecodableOriginal"}'] == 1
    assert risen['resizer_variants_served_total{result="hit"}'] == 2
    assert risen['resizer_variants_served_total{result="miss"}'] == 1
    assert risen["resizer_variants_served_bytes_total"] == 2 * len(made.content)
    for result, number in (("hit", 2), ("miss", 1), ("error", 1)):
        name = f'resizer_request_duration_seconds_count{{result="{result}"}}'
        assert risen[name] == number
    most = 'resizer_request_duration_seconds_sum{result="miss"}'
    assert risen['resizer_request_span_duration_seconds_sum{span="encode"}'] < risen[most]
    for step in ("read", "decode", "encode", "store"):
        name = f'resizer_request_span_duration_seconds_count{{span="{step}"}}'
        assert risen[name] == 1


def test_reference_has_every_metric(client: Client) -> None:
    page = read("reference/signals")
    table = page.split("| metric | counts |\n", 1)[1].split("\n\n", 1)[0]
    documented = re.findall(r"^\| `(\w+?)(?:_total)?(?:\{\w+\})?` \|", table, re.MULTILINE)
    told = client.get("/metrics").content.decode()
    families = re.findall(r"^# TYPE (resizer_\w+?)(?:_total|_created)? \w+$", told, re.MULTILINE)
    assert set(documented) == set(families)


def test_metrics_of_several_processes_are_added(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    # No process has written there.
    assert values(client) == {}


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def test_render_is_a_span_with_its_steps(client: Client, spans: InMemorySpanExporter) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320, format="jpeg")
    spans.clear()
    with trace.get_tracer("tests").start_as_current_span("request"):
        client.get(url)
        client.get(url)
    found: dict[str, Any] = {one.name: one for one in spans.get_finished_spans()}
    steps = [f"resizer.{step}" for step in ("read", "decode", "encode", "store")]
    assert list(found) == [*steps, "resizer.render", "request"]
    render = found["resizer.render"]
    assert render.parent.span_id == found["request"].context.span_id
    assert render.attributes["resizer.key"] == url.removeprefix("/img/")
    ended_at = render.start_time
    for step in steps:
        span = found[step]
        assert span.parent.span_id == render.context.span_id
        assert span.start_time == ended_at
        ended_at = span.end_time
    assert abs(ended_at - render.end_time) < 1000


def test_without_the_library_no_spans_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    variant_rendered.disconnect(dispatch_uid="resizer.opentelemetry")
    before = len(variant_rendered.receivers)
    with monkeypatch.context() as patch:
        patch.setattr(opentelemetry, "find_spec", lambda name: None)
        opentelemetry.connect()
    assert len(variant_rendered.receivers) == before
    opentelemetry.connect()
    assert len(variant_rendered.receivers) == before + 1


class BrokenEngine(PillowEngine):
    def render(self, *_: Any, **__: Any) -> Any:
        raise OSError("no encoder")


class AbsentEngine(PillowEngine):
    asked = 0

    def __init__(self) -> None:
        AbsentEngine.asked += 1
        raise OSError("no library")


class BusyEngine(PillowEngine):
    def render(self, *_: Any, **__: Any) -> Any:
        raise Busy("later")


def test_health_renders_once_in_a_while(
    client: Client, engine: type[CountingEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        response = client.get("/health/")
        assert (response.status_code, response.content) == (200, b"ok\n")
        assert response["Cache-Control"] == "no-store"
    assert engine.renders == 1
    monkeypatch.setattr(health, "SECONDS", 0)
    assert client.head("/health/").status_code == 200
    assert engine.renders == 2
    assert client.post("/health/").status_code == 405


@pytest.mark.parametrize(("engine", "status"), [("BrokenEngine", 503), ("BusyEngine", 200)])
def test_health_tells_an_engine_that_fails(
    client: Client, settings: Settings, engine: str, status: int
) -> None:
    settings.RESIZER = {"ENGINE": f"tests.test_metrics.{engine}", "ISOLATION": False}
    assert client.get("/health/").status_code == status


def test_health_remembers_an_engine_that_does_not_start(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RESIZER = {"ENGINE": "tests.test_metrics.AbsentEngine", "ISOLATION": False}
    AbsentEngine.asked = 0
    assert [client.get("/health/").status_code for _ in range(9)] == [503] * 9
    assert AbsentEngine.asked == 1
    assert caplog.text.count("The engine fails: OSError: 'no library'") == 1


def test_health_of_a_busy_process_comes_before_probes_give_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children of the engine may get no core for seconds. A probe must not have the server killed then."""
    monkeypatch.setattr(health, "SECONDS", 0)
    assert client.get("/health/").status_code == 200
    wait_until(lambda: health._last)
    monkeypatch.setattr(health, "WAIT_SECONDS", 0.1)
    for child in children:
        os.kill(child.pid, signal.SIGSTOP)
    try:
        assert [client.get("/health/").status_code for _ in range(3)] == [200] * 3
        # But not for ever.
        monkeypatch.setattr(health, "HUNG_SECONDS", 0)
        assert client.get("/health/").status_code == 503
    finally:
        for child in children:
            os.kill(child.pid, signal.SIGCONT)
    wait_until(lambda: client.get("/health/").status_code == 200)


def test_health_of_a_process_without_threads_is_bad(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert client.get("/health/").status_code == 503
    assert client.get("/health/").status_code == 200


def test_health_makes_nobody_wait_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "SECONDS", 0)
    begun, go_on = threading.Event(), threading.Event()

    def ask() -> HttpResponse:
        return health.health(RequestFactory().get("/health/"))

    assert ask().status_code == 200
    # On a busy machine the first render may go on.
    wait_until(lambda: health._last)

    def render() -> bool:
        begun.set()
        return go_on.wait(30)

    monkeypatch.setattr(health, "_renders", render)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        assert begun.wait(30)
        # Strangers may ask as often as they like.
        assert [ask().status_code for _ in range(9)] == [200] * 9
        go_on.set()
        assert first.result().status_code == 200
