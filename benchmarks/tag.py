"""The cost of a tag for a known original: `make bench-tag`.

CPU microseconds a tag, the least of a few renders of 100 tags; beside `{{ image.url }}`, the floor.
"""

from __future__ import annotations

import os
import tempfile
import time

TEMPLATES = (
    "{{ photo.image.url }}",
    '{% resized_url photo.image width=600 format="jpeg" %}',
    '{% resized_img photo.image alt="A picture" %}',
    '{% resized_img photo.image alt="A picture" width=600 ratio="3/2" class="card" %}',
)
RENDERS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {
            "DJANGO_DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "RESIZER_DATA_DIR": place,
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.template import Context, Template

        import resizer
        from config.gallery.models import Photo

        call_command("migrate", verbosity=0)
        call_command("load_gallery")
        photos = list(Photo.objects.all()) * 10
        for text in TEMPLATES:
            loop = "{% load resizer %}{% for photo in photos %}" + text + "{% endfor %}"
            template = Template(loop)
            seconds = []
            for _ in range(RENDERS):
                # For one page.
                resizer.prefetch(photos, "image")
                before = time.process_time()
                html = template.render(Context({"photos": photos}))
                seconds.append(time.process_time() - before)
            cost = min(seconds) / len(photos) * 1e6
            urls = html.count("/img/") // len(photos)
            print(f"{cost:4.0f} µs  {urls:2} URLs  {text}")


if __name__ == "__main__":
    main()
