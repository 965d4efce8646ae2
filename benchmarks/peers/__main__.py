"""What a page pays for a picture by the tags of other packages, beside ours: `make bench-peers`.

CPU microseconds for one tag, the least of some renders of 100 tags. All variants of the others exist already; ours need not.
The packages take turns, so that a busy machine harms all of them.
"""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import tables

ROOT = Path(__file__).resolve().parents[2]
PHOTOGRAPHS = ROOT / "config" / "gallery" / "photographs"
COPIES = 25
RENDERS = 15


class Tag(NamedTuple):
    package: str
    #: What `{% load %}` names; empty for none.
    library: str
    text: str


TAGS = (
    Tag("Django", "", "{{ photo.image.url }}"),
    Tag("", "resizer", '{% resized_url photo.image width=600 format="jpeg" %}'),
    Tag("", "resizer", '{% resized_img photo.image alt="A picture" width=600 %}'),
    Tag("", "resizer", '{% resized_img photo.image alt="A picture" %}'),
    Tag("sorl-thumbnail", "thumbnail", '{% thumbnail photo.image "600" as im %}{{ im.url }}{% endthumbnail %}'),
    Tag("easy-thumbnails", "easy_thumbnails_tags", "{% thumbnail photo.image 600x0 %}"),
    Tag("django-imagekit", "", "{{ photo.small.url }}"),
    Tag("django-pictures", "pictures", '{% picture photo.image img_alt="A picture" %}'),
    Tag("wagtail", "wagtailimages_tags", '{% image page width-600 alt="A picture" %}'),
    Tag("wagtail", "wagtailimages_tags", '{% srcset_image page width-{320,480,640,800,1080,1200} sizes="100vw" alt="A picture" %}'),
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        set_up(Path(place))
        import resizer

        photos = load()
        templates = [compile_tag(tag) for tag in TAGS]
        for template in templates:
            # Others make their variants now.
            template.render(context(photos))
        least = [float("inf")] * len(TAGS)
        html = [""] * len(TAGS)
        for _ in range(RENDERS):
            for number, template in enumerate(templates):
                # For one page.
                resizer.prefetch(photos, "image")
                before = time.process_time()
                html[number] = template.render(context(photos))
                least[number] = min(least[number], time.process_time() - before)
        rows = [
            row(tag, least[number] / len(photos) * 1e6, html[number], len(photos))
            for number, tag in enumerate(TAGS)
        ]
        tables.publish(["package", "template", "µs", "URLs", "µs for each URL"], rows)


def set_up(place: Path) -> None:
    import django
    from django.conf import settings

    settings.configure(
        DEBUG=False,
        SECRET_KEY="for a benchmark only",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": place / "db"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.messages",
            "django.contrib.sessions",
            "resizer",
            "easy_thumbnails",
            "sorl.thumbnail",
            "imagekit",
            "pictures",
            "taggit",
            "wagtail",
            "wagtail.admin",
            "wagtail.documents",
            "wagtail.users",
            "wagtail.search",
            "wagtail.images",
            "benchmarks.peers",
        ],
        ROOT_URLCONF="benchmarks.peers.urls",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "OPTIONS": {"MAX_ENTRIES": 20_000},
            }
        },
        MEDIA_ROOT=place / "media",
        MEDIA_URL="/media/",
        STATIC_URL="/static/",
        # django-pictures makes its variants in a queue of its own.
        TASKS={
            name: {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend", "QUEUES": []}
            for name in ("default", "pictures")
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PICTURES={"BREAKPOINTS": {"l": 1200}, "USE_PLACEHOLDERS": False, "FILE_TYPES": ["AVIF", "JPEG"]},
        USE_TZ=True,
    )  # fmt: skip

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, run_syncdb=True)


def load() -> list[Any]:
    from django.core.files.base import ContentFile
    from django.core.files.images import ImageFile
    from wagtail.images import get_image_model

    from benchmarks.peers.models import Photo

    photos = []
    for path in sorted(PHOTOGRAPHS.glob("*.jpg"))[:4]:
        photo = Photo()
        photo.image.save(path.name, ContentFile(path.read_bytes()))
        file = ImageFile(BytesIO(path.read_bytes()), name=path.name)
        page = get_image_model().objects.create(title=path.stem, file=file)
        photo.page = page
        photos.append(photo)
    return photos * COPIES


def compile_tag(tag: Tag) -> Any:
    from django.template import Template

    load_tags = f"{{% load {tag.library} %}}" if tag.library else ""
    text = tag.text.replace("page", "photo.page")
    return Template(f"{load_tags}{{% for photo in photos %}}{text}{{% endfor %}}")


def context(photos: list[Any]) -> Any:
    from django.template import Context

    return Context({"photos": photos})


def row(tag: Tag, cost: float, html: str, tags: int) -> list[str]:
    name = f"{tag.package} {version(tag.package)}" if tag.package else "ours"
    urls = max(1, (html.count("/img/") + html.count("/media/") + html.count("/pictures/")) // tags)
    return [name, f"`{tag.text}`", f"{cost:.0f}", str(urls), f"{cost / urls:.0f}"]


if __name__ == "__main__":
    main()
