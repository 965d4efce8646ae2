from __future__ import annotations

import resource
import time

import pytest

from resizer.engines.containers.svg import HEAD_BYTES, read_size

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
ILLUSTRATOR = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!-- Generator: Adobe Illustrator -->\n'
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [\n'
    '<!ENTITY ns_svg "http://www.w3.org/2000/svg">]>\n'
    '<svg xmlns="&ns_svg;" width="40" height="20"/>'
)
BOMB = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f'<svg {NAMESPACE} width="&b;"/>'
)
LARGE_ENTITY = (
    f'<!DOCTYPE svg [<!ENTITY a "{"a" * 5000}">]><svg {NAMESPACE} width="{"&a;" * 3000}"/>'
)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="120" height="40"', (120, 40)),
        ('width="120px" height=" 40.4px "', (120, 40)),
        ('width="1in" height="72pt"', (96, 96)),
        ('width="2.54cm" height="25.4mm"', (96, 96)),
        ('width="3em" height="2pc"', (48, 32)),
        ('width="1e2" height="+.5e2"', (100, 50)),
        ('viewBox="0 0 40 20"', (40, 20)),
        ('viewBox="0,0,40.5,20"', (40, 20)),
        ('viewBox="-5 -5 40 20" width="100"', (100, 50)),
        ('viewBox="0 0 40 20" height="100"', (200, 100)),
        ('viewBox="0 0 40 20" width="100%" height="100%"', (40, 20)),
        ('width="100" height="50" viewBox="0 0 7 7"', (100, 50)),
        ('width="100%"', (300, 150)),
        ("", (300, 150)),
        ('viewBox="0 0 0 0"', (300, 150)),
        ('viewBox="0 0 inf 5"', (300, 150)),
        ('viewBox="a b c d"', (300, 150)),
        ('viewBox="1 2"', (300, 150)),
        ('width="-5" height="0"', (300, 150)),
        ('width="1e99"', (300, 150)),
        ('width="40." height=".5.5"', (300, 150)),
        # A shape alone may have any unit.
        ('viewBox="0 0 1e9 5e8" width="100"', (100, 50)),
        ('viewBox="0 0 1 1e9"', (300, 150)),
        ('viewBox="0 0 1e9 1" height="0.1"', (300, 150)),
        ('viewBox="0 0 1e308 1" height="65535"', (300, 150)),
        ('viewBox="0 0 5e-324 1e300" width="1"', (300, 150)),
        ('viewBox="0 0 nan nan" width="40"', (40, 150)),
        ('viewBox="0 0 nan 5"', (300, 150)),
    ],
)
def test_size_of_a_vector(attributes: str, size: tuple[int, int]) -> None:
    assert read_size(f"<svg {NAMESPACE} {attributes}><g>".encode()) == size


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff<?xml version='1.0'?><svg {NAMESPACE} width='40' height='20'/>",
        f"\n  <svg {NAMESPACE} width='40' height='20'/>",
        "<svg width='40' height='20'/>",
        "<s:svg xmlns:s='http://www.w3.org/2000/svg' width='40' height='20'/>",
        f"<!-- {'x' * 9000} --><svg {NAMESPACE} width='40' height='20'/>",
        ILLUSTRATOR,
    ],
    ids=["byte order mark", "space before", "no namespace", "prefix", "comment", "entities"],
)
def test_vector_of_any_editor_is_read(text: str) -> None:
    assert read_size(text.encode()) == (40, 20)


STYLE = "fill-rule:evenodd;clip-rule:evenodd;fill:#FFFFFF;stroke:#000000;stroke-width:0.5;"


def test_vector_with_declared_styles_is_read() -> None:
    styles = "".join(f'<!ENTITY st{number} "{STYLE}">' for number in range(60))
    text = f'<!DOCTYPE svg [{styles}]><svg {NAMESPACE} style="&st1;" width="40" height="20"/>'
    assert read_size(text.encode()) == (40, 20)


NINES = f'<!DOCTYPE svg [<!ENTITY a "{"9" * 250}">]>'


@pytest.mark.parametrize(
    "text",
    [
        f'<svg {NAMESPACE} width="{"9" * 16_000}x"/>',
        f'<svg {NAMESPACE} width="{" " * 16_000}x"/>',
        f'<svg {NAMESPACE} viewBox="{"0 " * 8_000}"/>',
        f'<svg {NAMESPACE} viewBox="0 0 {"9" * 16_000} 1"/>',
        f'{NINES}<svg {NAMESPACE} width="{"&a;" * 5_000}x"/>',
        f'{NINES}<svg {NAMESPACE} viewBox="{"&a;" * 5_000}"/>',
    ],
    ids=["digits", "spaces", "numbers", "number", "entities", "entities of a box"],
)
def test_attribute_of_any_length_takes_no_time(text: str) -> None:
    began = time.thread_time()
    assert read_size(text.encode()) == (300, 150)
    assert time.thread_time() - began < 0.2


def test_long_namespace_is_not_repeated_for_each_attribute() -> None:
    attributes = " ".join(f'a:b{number}=""' for number in range(700))
    text = f'{NINES}<svg {NAMESPACE} xmlns:a="{"&a;" * 2_000}" {attributes}/>'
    assert len(text) < HEAD_BYTES
    began = time.thread_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_size(text.encode()) == (300, 150)
    assert time.thread_time() - began < 0.1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


def test_vector_in_another_encoding_is_read() -> None:
    text = f"<?xml version='1.0' encoding='utf-16'?><svg {NAMESPACE} width='40' height='20'/>"
    assert read_size(text.encode("utf-16")) == (40, 20)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"<html><svg/></html>",
        b"<svg",
        b"<svg xmlns='http://example.org/'/>",
        b"<s:svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<s:svg xmlns:s='http://example.org/'/>",
        b'<!DOCTYPE svg [<!ENTITY a "'
        + b"9" * 3900
        + b'">]><svg width="'
        + b"&a;" * 2000
        + b'x"/>',
        b"<?xml version='1.0' encoding='nonsense'?><svg/>",
        b"\xff\xd8\xff\xe0",
        b"<!-- " + b"x" * HEAD_BYTES + b" --><svg/>",
        BOMB.encode(),
        LARGE_ENTITY.encode(),
        b"<!DOCTYPE svg [<!ENTITY % a SYSTEM 'file:///etc/passwd'>%a;]><svg/>",
        b"<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><svg width='&a;'/>",
    ],
    ids=range(15),
)
def test_anything_else_is_no_vector(content: bytes) -> None:
    began = time.thread_time()
    assert read_size(content) is None
    assert time.thread_time() - began < 1
