"""Fill an empty gallery with the project's photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand

from config.gallery.models import Photo

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "photographs"
#: Drawings, animations and a broken file.
AWKWARD = PHOTOGRAPHS / "awkward"


class Sample(NamedTuple):
    file: str
    title: str
    alt: str
    credit: str
    #: Percent from the left and from the top.
    focal: str = ""


SAMPLES = (
    Sample(
        "sunset.jpg",
        "First light",
        "The sun rises behind a ridge; in front a stone table on a rocky summit.",
        "Aitzol Berasategi, CC BY 4.0",
        "48,42",
    ),
    Sample(
        "löwenzahn.jpg",
        "Löwenzahn",
        "Dandelion clocks against the low sun in a meadow.",
        "Clemens Engelhardt, CC0",
    ),
    Sample(
        "fig.jpg",
        "Fig",
        "Half a fig in a red bowl on grey stone.",
        "Trevor “Freespace”, CC BY 4.0",
    ),
    Sample(
        "dogs.jpg",
        "Neighbours",
        "Two spaniels look out over a wooden balcony.",
        "Aitzol Berasategi, CC BY 4.0",
    ),
    Sample(
        "aizkorri.jpg",
        "Aizkorri",
        "A mountain range behind an autumn forest and a green meadow.",
        "Aitzol Berasategi, CC BY 4.0",
    ),
    Sample(
        "wine.jpg",
        "Evening",
        "A drum on a bean bag; behind it a table with two glasses of wine.",
        "Jakub Mede, CC BY 4.0",
    ),
    Sample(
        "bowl.png",
        "Bowl, cut out",
        "A fig in a red bowl, without background.",
        "Trevor “Freespace”, CC BY 4.0",
    ),
    Sample(
        "bridge.jpg",
        "Cables",
        "The cables of a bridge against a blue sky.",
        "Sander Klootwijk, CC BY-SA 4.0",
    ),
    Sample(
        "bird.png",
        "Free",
        "A wooden bird hangs below three round lamps.",
        "Peter Nerlich, CC BY-SA 4.0",
    ),
    Sample(
        "clock.jpg",
        "Green o’clock",
        "A wall clock, lit in green from behind.",
        "Peter Nerlich, CC BY-SA 4.0",
    ),
)


class Command(BaseCommand):
    help = (
        "Fill an empty gallery with the project's photographs. With DEBUG on and no user yet, also "
        "create the user admin with the password admin. Running it again changes nothing."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not Photo.objects.exists():
            for sample in SAMPLES:
                self._load(sample)
            for path in sorted(AWKWARD.iterdir()):
                with path.open("rb") as file:
                    default_storage.save(f"awkward/{path.name}", File(file))
            self.stdout.write(f"Loaded {len(SAMPLES)} photographs.")
        User = get_user_model()
        if settings.DEBUG and not User.objects.exists():
            User.objects.create_superuser("admin", password="admin")
            self.stdout.write("Created the user admin with the password admin.")

    def _load(self, sample: Sample) -> None:
        title, alt, credit, focal = sample[1:]
        photo = Photo(title=title, alt=alt, credit=credit, focal=focal)
        with (PHOTOGRAPHS / sample.file).open("rb") as file:
            photo.image.save(sample.file, File(file))
