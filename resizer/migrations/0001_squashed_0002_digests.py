"""What new projects begin with: MySQL and MariaDB refuse the unique keys that 0001 has, and 0002 removes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    replaces = [("resizer", "0001_initial"), ("resizer", "0002_digests")]

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Original",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(default="default", max_length=64, verbose_name="source"),
                ),
                ("name", models.CharField(max_length=800, verbose_name="name")),
                (
                    "digest",
                    models.CharField(editable=False, max_length=32, serialize=False, unique=True),
                ),
                ("fingerprint", models.CharField(max_length=128, verbose_name="fingerprint")),
                (
                    "width",
                    models.PositiveIntegerField(
                        help_text="Upright, in pixels.", verbose_name="width"
                    ),
                ),
                (
                    "height",
                    models.PositiveIntegerField(
                        help_text="Upright, in pixels.", verbose_name="height"
                    ),
                ),
                (
                    "orientation",
                    models.PositiveSmallIntegerField(default=1, verbose_name="EXIF orientation"),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("avif", "AVIF"),
                            ("gif", "GIF"),
                            ("heic", "HEIC"),
                            ("jpeg", "JPEG"),
                            ("png", "PNG"),
                            ("tiff", "TIFF"),
                            ("webp", "WEBP"),
                        ],
                        max_length=8,
                        verbose_name="format",
                    ),
                ),
                ("has_alpha", models.BooleanField(default=False, verbose_name="has transparency")),
                (
                    "is_shrinkable",
                    models.BooleanField(default=False, verbose_name="can be decoded small"),
                ),
                ("is_graphic", models.BooleanField(default=False, verbose_name="is a graphic")),
                ("has_palette", models.BooleanField(default=False, verbose_name="has a palette")),
                ("frames", models.PositiveIntegerField(default=1, verbose_name="frames")),
                ("bytes", models.PositiveBigIntegerField(verbose_name="bytes")),
                ("checked_at", models.DateTimeField(null=True, verbose_name="checked")),
            ],
            options={
                "verbose_name": "original",
                "verbose_name_plural": "originals",
                "ordering": ["source", "name"],
            },
        ),
        migrations.CreateModel(
            name="CachedVariant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=1024, verbose_name="key")),
                (
                    "digest",
                    models.CharField(editable=False, max_length=32, serialize=False, unique=True),
                ),
                ("recipe", models.CharField(blank=True, max_length=128, verbose_name="recipe")),
                ("width", models.PositiveIntegerField(verbose_name="width")),
                ("height", models.PositiveIntegerField(verbose_name="height")),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("avif", "AVIF"),
                            ("jpeg", "JPEG"),
                            ("png", "PNG"),
                            ("webp", "WEBP"),
                        ],
                        max_length=8,
                        verbose_name="format",
                    ),
                ),
                ("bytes", models.PositiveBigIntegerField(verbose_name="bytes")),
                ("created_at", models.DateTimeField(db_index=True, verbose_name="created")),
                (
                    "original",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cached_variants",
                        to="resizer.original",
                        verbose_name="original",
                    ),
                ),
            ],
            options={
                "verbose_name": "cached variant",
                "verbose_name_plural": "cached variants",
                "ordering": ["-created_at", "-pk"],
            },
        ),
    ]
