"""Signals tell a project what happens to variants, and a receiver that fails harms nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from resizer import signals, store
from resizer.markup import picture
from tests.conftest import save
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal
    from django.test import Client

pytestmark = pytest.mark.django_db

ALL = {
    "rendered": signals.variant_rendered,
    "served": signals.variant_served,
    "removed": signals.variant_removed,
    "refused": signals.variant_refused,
}


@pytest.fixture
def told() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the signals have said, in order."""
    heard: list[tuple[str, dict[str, Any]]] = []
    receivers = []
    for name, one in ALL.items():

        def receive(signal: Signal, sender: object, _name: str = name, **facts: Any) -> None:
            heard.append((_name, facts))

        one.connect(receive)
        receivers.append((one, receive))
    yield heard
    for one, receive in receivers:
        assert one.disconnect(receive)


def test_signals_tell_the_life_of_a_variant(
    client: Client, told: list[tuple[str, dict[str, Any]]]
) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320, format="jpeg")
    key = url.removeprefix("/img/")
    length = len(client.get(url).content)
    client.get(url)
    store.delete_files([key])
    assert [name for name, _ in told] == ["rendered", "served", "served", "removed"]
    assert {facts["key"] for _, facts in told} == {key}
    rendered, *served, _removed = (facts for _, facts in told)
    assert set(rendered.pop("timings")) == {"read", "decode", "encode", "store"}
    assert rendered == {"key": key, "bytes": length, "is_kept": True}
    assert [(one["bytes"], one["is_hit"]) for one in served] == [(length, False), (length, True)]


def test_signal_tells_a_refusal(client: Client, told: list[tuple[str, dict[str, Any]]]) -> None:
    whole = photograph()
    save("half.jpg", whole[: len(whole) // 2])
    url = picture.url("half.jpg", width=320, format="jpeg")
    assert client.get(url).status_code == 422
    ((name, facts),) = told
    assert (name, facts["path"]) == ("refused", url.removeprefix("/img/"))
    assert facts["error"].status == 422


def test_receiver_that_fails_harms_no_picture(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("out of order")

    save("a.jpg")
    url = picture.url("a.jpg", width=320, format="jpeg")
    for one in ALL.values():
        one.connect(fail)
    try:
        assert [client.get(url).status_code for _ in range(2)] == [200, 200]
        store.delete_files([url.removeprefix("/img/")])
    finally:
        for one in ALL.values():
            one.disconnect(fail)
    assert "out of order" in caplog.text


def test_render_is_one_line_of_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320, format="jpeg")
    with caplog.at_level(logging.INFO, "resizer.store"):
        client.get(url)
        client.get(url)
    (line,) = caplog.messages
    assert line.startswith(f"Rendered {url.removeprefix('/img/')}: ")
    assert [part.split()[0] for part in line.split("; ")[1].split(", ")] == [
        "read",
        "decode",
        "encode",
        "store",
    ]
