"""config/edge/nginx.conf: a real nginx runs that very file before the project, with variants on a disk."""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pytest

from resizer.formats import BY_EXTENSION
from tests.cloudfront import local_s3
from tests.conftest import wait_until
from tests.documents import PAGES, read
from tests.nginx import Reply, ask, check, nginx
from tests.pictures import draw, encode, photograph
from tests.servers import ROOT, django_server, free_port, manage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.service("nginx")

CONFIGURATION = (ROOT / "config" / "edge" / "nginx.conf").read_text(encoding="utf-8")
#: The samples of a page.
NGINX = re.compile(r"```nginx\n(.*?)```", re.DOTALL)
PHOTO, LEAF, FOREIGN = "photos/cat.jpg", "photos/leaf.png", "日本/a b.jpg"
#: What browsers and caches act on; the two spell validators each in its own way.
HEADERS = (
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Cache-Control",
    "Last-Modified",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Cross-Origin-Resource-Policy",
    "Access-Control-Allow-Origin",
    "Vary",
    "Set-Cookie",
)


class Site(NamedTuple):
    address: str
    data: Path
    upstream: str

    def key(self, name: str, file: str) -> str:
        """The URL of a variant, by way of the original's short URL."""
        located = ask(f"{self.address}/img/16/{quote(name)}").headers["Content-Location"]
        return f"{self.address}{located.rpartition('/')[0]}/{file}"

    def path(self, url: str) -> Path:
        return self.data / "variants" / url.removeprefix(f"{self.address}/img/")

    def make(self, url: str) -> Reply:
        """Ask for a variant until it is on the disk, where Django stores it after its response."""
        reply = ask(url)
        wait_until(self.path(url).exists)
        return reply


@contextmanager
def serve(
    data: Path,
    upstream: str,
    configuration: str = CONFIGURATION,
    *,
    user: str = "root",
    **others: str,
) -> Iterator[Site]:
    """The shipped file, with its placeholders replaced as its first lines say, on a free port."""
    port = free_port()
    placeholders = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "listen [::]:80;": "",
        "resizer.example.com": "127.0.0.1",
        "127.0.0.1:8000": upstream,
        "/srv/resizer": str(data),
        "# add_header Access-Control-Allow-Origin": "add_header Access-Control-Allow-Origin",
        **others,
    }
    address = f"http://127.0.0.1:{port}"
    http = replaced(configuration, placeholders)
    with nginx(data / f"nginx-{port}", address, http, user=user):
        yield Site(address, data, upstream)


def replaced(configuration: str, placeholders: Mapping[str, str]) -> str:
    for placeholder, value in placeholders.items():
        assert placeholder in configuration
        configuration = configuration.replace(placeholder, value)
    return configuration


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site")
    contents = {
        PHOTO: photograph(),
        LEAF: encode(draw((640, 480), "RGBA"), "PNG"),
        FOREIGN: photograph(),
    }
    for name, content in contents.items():
        original = data / "originals" / name
        original.parent.mkdir(parents=True, exist_ok=True)
        original.write_bytes(content)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.private_settings",
        "RESIZER_DATA_DIR": str(data),
        "DJANGO_DEBUG": "0",
        "DJANGO_SECRET_KEY": "for tests only",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "RESIZER_OPEN": "default",
        "RESIZER_ALLOW_ORIGIN": "*",
    }
    (data / "members").mkdir()
    (data / "members" / "cat.jpg").write_bytes(photograph())
    manage(ROOT, environment, "migrate", "--verbosity", "0")
    manage(ROOT, environment, "collectstatic", "--no-input", "--verbosity", "0")
    with (
        django_server(ROOT, environment) as upstream,
        serve(data, upstream.removeprefix("http://")) as site,
    ):
        yield site


def test_host_of_pictures_answers_nothing_else(site: Site, tmp_path: Path) -> None:
    (block,) = NGINX.findall(read("production/host"))
    port = free_port()
    # As the only server it answers whatever the request calls it.
    http = block.replace("server_name", f"listen 127.0.0.1:{port}; server_name").replace(
        "http://127.0.0.1:8000", site.address
    )
    host = f"http://127.0.0.1:{port}"
    with nginx(tmp_path / "host", host, http):
        headers = {"Host": "img.example.com", "Accept": "image/avif"}
        picture = ask(f"{host}/img/720/{quote(PHOTO)}", headers=headers)
        assert (picture.status, picture.headers["Content-Type"]) == (200, "image/avif")
        assert picture.headers["Content-Location"].startswith("/img/")
        redirect = ask(f"{host}/img/721/{quote(PHOTO)}", headers=headers)
        assert redirect.status == 302
        assert redirect.headers["Location"].startswith("/img/800/")
        assert ask(f"{host}/admin/", headers=headers).status == 404


def test_every_sample_and_file_is_understood_by_nginx(tmp_path: Path) -> None:
    samples = [
        (page, sample) for page in PAGES for sample in NGINX.findall(page.read_text("utf-8"))
    ]
    files = [(path, path.read_text("utf-8")) for path in (ROOT / "config/edge").glob("*.conf")]
    assert len(samples) == 5
    assert len(files) == 2
    for path, text in samples + files:
        # nginx looks up names of hosts, and makes directories of caches.
        text = text.replace("server web:8000;", "server 127.0.0.1:8000;")
        text = text.replace("/var/cache/nginx", str(tmp_path))
        http = (
            text if re.search("^(server|upstream) ", text, re.MULTILINE) else f"server {{ {text} }}"
        )
        assert check(tmp_path / path.stem, http) == "", path


def test_locations_for_a_site_of_ones_own_serve_its_variants(site: Site, tmp_path: Path) -> None:
    block = NGINX.findall(read("production/nginx"))[0].replace("/srv/shop", str(site.data))
    made = site.make(site.key(PHOTO, "720.avif"))
    absent = site.key(PHOTO, "720.jpg")
    nobody = f"http://127.0.0.1:{free_port()}"
    for upstream, status in ((nobody, 502), (site.address, 200)):
        port = free_port()
        own = f"http://127.0.0.1:{port}"
        locations = block.replace("http://127.0.0.1:8000", upstream)
        with nginx(tmp_path / str(port), own, f"server {{ listen 127.0.0.1:{port}; {locations} }}"):
            hit = ask(site.key(PHOTO, "720.avif").replace(site.address, own))
            assert hit.body == made.body
            assert shown(hit) | {"Access-Control-Allow-Origin": "*"} == shown(
                ask(site.key(PHOTO, "720.avif"))
            )
            assert ask(absent.replace(site.address, own)).status == status


def test_server_without_power_is_left_out(site: Site, tmp_path: Path) -> None:
    """Linux drops what comes for a full queue of connections, as a machine without power would."""
    (upstream,) = re.findall(r"```nginx\n(.*?)```", read("production/servers"), re.DOTALL)
    shipped = re.findall(r"upstream resizer \{.*?\}\n", CONFIGURATION, re.DOTALL)
    configuration = CONFIGURATION.replace(shipped[0], upstream)
    with ExitStack() as stack:
        dead = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        stack.enter_context(socket.create_connection(dead.getsockname()))
        servers = {
            "10.0.0.11:8000": f"127.0.0.1:{dead.getsockname()[1]}",
            "10.0.0.12:8000": site.upstream.removeprefix("http://"),
        }
        # The page has no place for the only server.
        balanced = replaced(configuration, servers) + "# 127.0.0.1:8000"
        http = stack.enter_context(serve(tmp_path, "", balanced))
        began_at = time.monotonic()
        replies = [ask(f"{http.address}/img/32/{quote(PHOTO)}").status for _ in range(4)]
        assert replies == [200] * 4
        # nginx's default is a minute.
        assert time.monotonic() - began_at < 30


def put_bucket_first(configuration: str) -> str:
    """The shipped file with the `location` that docs/production/nginx.md has for buckets in the place of the first."""
    _own, location = NGINX.findall(read("production/nginx"))
    changed, count = re.subn(
        r"    location ~ .*?\n    }\n", lambda _: location, configuration, count=1, flags=re.DOTALL
    )
    assert count == 1
    return changed


def shown(reply: Reply) -> dict[str, str | None]:
    return {name: reply.headers[name] for name in HEADERS}


def assert_told_alike(miss: Reply, hit: Reply) -> None:
    """All but the second, because Django stores a variant after its response."""
    assert shown(hit) | {"Last-Modified": None} == shown(miss) | {"Last-Modified": None}
    made, stored = (parsedate_to_datetime(one.headers["Last-Modified"]) for one in (miss, hit))
    assert abs(stored - made) <= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("name", "file", "content_type"),
    [
        (PHOTO, "320.avif", "image/avif"),
        (PHOTO, "320.jpg", "image/jpeg"),
        (LEAF, "320.png", "image/png"),
        (FOREIGN, "320.avif", "image/avif"),
    ],
)
def test_variant_is_made_once_and_then_served_from_the_disk(
    site: Site, name: str, file: str, content_type: str
) -> None:
    url = site.key(name, file)
    miss = site.make(url)
    hit = ask(url)
    assert (miss.status, hit.status) == (200, 200)
    assert miss.headers["Server-Timing"].startswith('resizer;desc="miss"')
    assert "Server-Timing" not in hit.headers
    assert hit.body == miss.body == site.path(url).read_bytes()
    assert_told_alike(miss, hit)
    assert hit.headers["Content-Type"] == content_type


def test_every_format_of_variants_is_served_from_the_disk() -> None:
    types = re.search(r"types \{(.*?)\}", CONFIGURATION, re.DOTALL)
    assert types
    assert dict(re.findall(r"(\S+) (\w+);", types[1])) == {
        row.content_type: row.extension for row in BY_EXTENSION.values()
    }
    for text in (CONFIGURATION, put_bucket_first(CONFIGURATION)):
        extensions = re.search(r"\[0-9\]\+\\\.\(\?:([a-z|]+)\)", text)
        assert extensions
        assert set(extensions[1].split("|")) == set(BY_EXTENSION)


def test_variants_are_served_while_django_is_down(site: Site) -> None:
    made = site.key(PHOTO, "480.avif")
    missing = site.key(PHOTO, "2560.avif")
    body = site.make(made).body
    with serve(site.data, f"127.0.0.1:{free_port()}") as alone:
        hit = ask(made.replace(site.address, alone.address))
        assert (hit.status, hit.body) == (200, body)
        assert ask(missing.replace(site.address, alone.address)).status == 502


def test_head_and_validators_are_answered_from_the_disk(site: Site) -> None:
    url = site.key(PHOTO, "640.avif")
    site.make(url)
    hit = ask(url)
    head = ask(url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert shown(head) == shown(hit)
    for validators in (
        {"If-None-Match": hit.headers["ETag"]},
        {"If-Modified-Since": hit.headers["Last-Modified"]},
    ):
        unchanged = ask(url, headers=validators)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_short_url_follows_accept_and_never_comes_from_the_disk(site: Site) -> None:
    trap = site.data / "variants" / "640" / PHOTO
    trap.parent.mkdir(parents=True)
    trap.write_bytes(b"not from here")
    for path in (f"640/{PHOTO}", PHOTO):
        url = f"{site.address}/img/{path}"
        avif, jpeg = ask(url, headers={"Accept": "image/avif"}), ask(url)
        assert avif.headers["Content-Type"] == "image/avif"
        assert jpeg.headers["Content-Type"] == "image/jpeg"
        assert avif.headers["Vary"] == jpeg.headers["Vary"] == "Accept"
        assert "immutable" not in avif.headers["Cache-Control"]


@pytest.mark.parametrize("file", ["640.jpg", "800.jpg"])
def test_other_methods_are_refused_for_variants_made_or_not(site: Site, file: str) -> None:
    url = site.key(PHOTO, file)
    if file == "640.jpg":
        site.make(url)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(url, method).status == 405
        assert ask(f"{site.address}/img/640/{PHOTO}", method).status == 405
    assert site.path(url).exists() == (file == "640.jpg")


def test_only_keys_are_looked_for_on_the_disk(site: Site) -> None:
    url = site.key(PHOTO, "640.avif")
    site.make(url)
    directory = site.path(url).parent
    for name in (".640.avif.0123456789abcdef.tmp", ".env", "notes.txt", "640.html", "index.html"):
        (directory / name).write_bytes(b"secret")
        refused = ask(f"{url.rpartition('/')[0]}/{name}")
        assert 400 <= refused.status < 500
        assert b"secret" not in refused.body
    for place in ("", "photos", "photos/", "photos/cat.jpg/", "../db.sqlite3", "%2e%2e/db.sqlite3"):
        refused = ask(f"{site.address}/img/{place}")
        assert 400 <= refused.status < 500
        assert b"640.avif" not in refused.body


def test_refusals_of_django_are_passed_on(site: Site) -> None:
    picture = site.key(PHOTO, "640.avif").removesuffix("/640.avif")
    forged = ask(f"{picture[:-14]}{'A' * 14}/640.avif")
    assert (forged.status, forged.headers["Cache-Control"]) == (403, "no-store")
    assert ask(f"{picture}/sepia/640.avif").status == 400
    missing = ask(f"{site.address}/img/640/photos/none.jpg")
    assert (missing.status, missing.headers["Cache-Control"]) == (404, "public, max-age=60")
    assert missing.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", [PHOTO, FOREIGN])
def test_other_spelling_of_a_key_leads_to_the_one_spelling(site: Site, name: str) -> None:
    url = site.key(name, "480.avif")
    path = url.removeprefix(site.address)
    site.make(url)
    head, _, tail = path.rpartition("/")
    spellings = (f"{head}/%34{tail[1:]}", f"{head}%2F{tail}", f"{head}//{tail}", f"{head}/./{tail}")
    for spelling in spellings:
        led = ask(f"{site.address}{spelling}?x=1")
        assert (led.status, led.headers["Location"]) == (301, f"{path}?x=1")
        # A CDN that takes all spellings for one would give it to everybody.
        assert led.headers.get_all("Cache-Control") == ["private, no-store"]
        assert led.headers.get_all("Cross-Origin-Resource-Policy") == ["cross-origin"]
    assert ask(url).status == 200
    # Before it is on the disk, too.
    led = ask(site.address + path.replace("480", "%38%30%30"))
    assert led.headers["Location"] == path.replace("480", "800")


def test_pages_and_static_files_are_served_beside_pictures(site: Site) -> None:
    assert ask(f"{site.address}/").status == 200
    assert ask(f"{site.address}/admin/login/").headers["Set-Cookie"]
    sheet = ask(f"{site.address}/static/resizer/resizer.css")
    assert sheet.body == (ROOT / "resizer/static/resizer/resizer.css").read_bytes()


def test_vectors_are_served_without_their_scripts(site: Site) -> None:
    directory = site.data / "originals" / "logos"
    directory.mkdir(parents=True, exist_ok=True)
    content = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"/>'
    (directory / "logo.svg").write_bytes(content)
    (directory / "logo.svg.jpg").write_bytes(content)
    reply = ask(f"{site.address}/originals/logos/logo.svg")
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["Content-Type"] == "image/svg+xml"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert reply.headers["Content-Security-Policy"].endswith("; sandbox")
    assert ask(f"{site.address}/originals/logos/none.svg").status == 404
    assert ask(f"{site.address}/originals/logos/logo.svg.jpg").status == 404
    assert ask(f"{site.address}/originals/{PHOTO}").status == 404


LOCATION = re.compile(
    r"    location /private-variants/ \{.*?\n    \}\n.*?    location @unsent \{.*?\n    \}\n",
    re.DOTALL,
)
KINDS = ("nginx.conf", "the page's locations", "compose.conf")


@contextmanager
def serve_private(kind: str, site: Site, data: Path, user: str = "root") -> Iterator[Site]:
    """The site behind each configuration with locations for private variants, which are in `data`."""
    if kind == "compose.conf":
        configuration = (ROOT / "config/edge/compose.conf").read_text(encoding="utf-8")
        port = free_port()
        placeholders = {
            "server web:8000;": f"server {site.upstream};",
            "listen 8080;": f"listen 127.0.0.1:{port};",
            "/data/": f"{data}/",
            "/var/cache/nginx": str(data),
        }
        address = f"http://127.0.0.1:{port}"
        http = replaced(configuration, placeholders)
        with nginx(data / f"nginx-{port}", address, http, user=user):
            yield Site(address, data, site.upstream)
        return
    configuration, others = CONFIGURATION, {}
    if kind == "the page's locations":
        (sample,) = NGINX.findall(read("sources/private"))
        configuration, count = LOCATION.subn(lambda _: sample, CONFIGURATION)
        assert count == 1
        others = {"/srv/my-site": str(data)}
    with serve(data, site.upstream, configuration, user=user, **others) as served:
        yield served


@pytest.mark.parametrize("kind", KINDS)
def test_private_variant_is_sent_by_nginx_once_django_allows_it(site: Site, kind: str) -> None:
    for stored in (site.data / "private").rglob("320.jpg"):
        stored.unlink()
    with serve_private(kind, site, site.data) as private_site:
        address = private_site.address
        path = ask(f"{address}/link/cat.jpg").body.decode()
        assert path.startswith("/img/_private.members.")
        made = ask(address + path)
        # Django sends the variant itself until it is stored.
        wait_until(lambda: "Server-Timing" not in ask(address + path).headers)
        directory = site.data / "private"
        (file,) = directory.rglob("320.jpg")
        sent = ask(address + path)
        beyond = ask(address + path, headers={"Range": "bytes=99999999-"})
        assert (made.status, sent.status, beyond.status) == (200, 200, 200)
        assert made.body == sent.body == beyond.body == file.read_bytes()
        names = ("Content-Type", "X-Content-Type-Options", "Content-Security-Policy", "Vary")
        more = ("Cross-Origin-Resource-Policy", "Access-Control-Allow-Origin", "ETag")
        for name in (*names, *more):
            assert sent.headers.get_all(name) == made.headers.get_all(name)
        for reply in (made, sent):
            # Two lines are one list (RFC 9110 §5.2).
            cache_control = ", ".join(reply.headers.get_all("Cache-Control", []))
            assert re.fullmatch("private, max-age=[0-9]+, immutable", cache_control)
        for name in ("X-Accel-Redirect", "X-Resizer-Cache-Control"):
            assert name not in sent.headers
        key = file.relative_to(directory).as_posix()
        forged = path.replace("_private.members.", "_private.members.f")
        for refused in (forged, f"/img/{key}", f"/private-variants/{key}", f"/private/{key}"):
            assert ask(address + refused).status in {403, 404}


@pytest.fixture
def data_for_nobody() -> Iterator[Path]:
    """A directory that every user may read."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def copy_for_all(file: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o644)


@pytest.mark.parametrize("kind", KINDS)
def test_private_file_that_nginx_cannot_send_is_kept_by_no_cache(
    site: Site, kind: str, data_for_nobody: Path
) -> None:
    width = 480
    path = ask(f"{site.address}/link/cat.jpg?width={width}").body.decode()
    wait_until(lambda: "Server-Timing" not in ask(site.address + path).headers)
    (file,) = (site.data / "private").rglob(f"{width}.jpg")
    copy = data_for_nobody / file.relative_to(site.data)
    with serve_private(kind, site, data_for_nobody, user="nobody") as private_site:
        url = private_site.address + path
        missing = ask(url)
        copy_for_all(file, copy)
        assert ask(url).status == 200
        copy.chmod(0)
        for refused in (missing, ask(url)):
            assert refused.status == 404
            assert refused.headers.get_all("Cache-Control") == ["private", "no-store"]
            assert refused.headers.get_all("Cross-Origin-Resource-Policy") == ["cross-origin"]


def test_public_file_that_nginx_cannot_read_comes_from_django(
    site: Site, data_for_nobody: Path
) -> None:
    url = site.key(PHOTO, "1080.avif")
    made = site.make(url)
    copy = data_for_nobody / site.path(url).relative_to(site.data)
    copy_for_all(site.path(url), copy)
    with serve(data_for_nobody, site.upstream, user="nobody") as other:
        url = url.replace(site.address, other.address)
        assert "Server-Timing" not in ask(url).headers
        copy.chmod(0)
        reply = ask(url)
        assert (reply.status, reply.body) == (200, made.body)
        assert reply.headers["Server-Timing"] == 'resizer;desc="hit"'
        assert reply.headers.get_all("Cache-Control") == ["public, max-age=31536000, immutable"]


def test_no_range_makes_an_error_that_a_cache_keeps(site: Site) -> None:
    """nginx sends the error for a range beyond the end with the headers of the file."""
    url = site.key(PHOTO, "480.avif")
    site.make(url)
    vector = site.data / "originals" / "range.svg"
    vector.write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    for one in (url, f"{site.address}/originals/range.svg"):
        whole, beyond = ask(one), ask(one, headers={"Range": "bytes=99999999-"})
        assert (beyond.status, beyond.body) == (200, whole.body)
        assert shown(beyond) == shown(whole)


def test_bucket_is_asked_before_django(tmp_path: Path) -> None:
    with local_s3("originals", "variants") as (environment, s3):
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:GetObject",
                    "Resource": "arn:aws:s3:::variants/*",
                }
            ],
        }
        s3.BucketPolicy("variants").put(Policy=json.dumps(policy))
        s3.Object("originals", PHOTO).put(Body=photograph((800, 600)))
        storage = environment["AWS_ENDPOINT_URL"].removeprefix("http://")
        environment["RESIZER_ALLOW_ORIGIN"] = "*"
        with (
            django_server(ROOT, environment) as upstream,
            serve(
                tmp_path,
                upstream.removeprefix("http://"),
                put_bucket_first(CONFIGURATION),
                **{"127.0.0.1:9000": storage},
            ) as site,
        ):
            url = site.key(PHOTO, "320.avif")
            miss = ask(url)
            # Django stores it after its response.
            wait_until(lambda: "Server-Timing" not in ask(url).headers)
            hit = ask(url)
            assert (miss.status, hit.status) == (200, 200)
            assert miss.headers["Server-Timing"].startswith('resizer;desc="miss"')
            assert "Server-Timing" not in hit.headers
            assert hit.body == miss.body
            # The object's own date, a moment after Django's answer.
            assert_told_alike(miss, hit)
            assert ask(url, "POST").status == 405
            assert ask(f"{site.address}/img/320/{PHOTO}").headers["Content-Type"] == "image/jpeg"
