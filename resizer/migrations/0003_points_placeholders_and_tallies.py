"""What editors say of originals, what was seen in them, how long variants took and when they were used, and tallies."""

import django.core.validators
from django.db import migrations, models

import resizer.models


class Migration(migrations.Migration):
    dependencies = [
        ("resizer", "0002_digests"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("name", models.CharField(max_length=64, verbose_name="name")),
                ("count", models.PositiveBigIntegerField(verbose_name="count")),
            ],
            options={
                "verbose_name": "tally",
                "verbose_name_plural": "tallies",
                "ordering": ["-hour", "name"],
            },
        ),
        migrations.AddField(
            model_name="cachedvariant",
            name="render_ms",
            field=models.PositiveIntegerField(
                blank=True, help_text="In milliseconds.", null=True, verbose_name="render time"
            ),
        ),
        migrations.AddField(
            model_name="cachedvariant",
            name="used_at",
            field=models.DateTimeField(
                blank=True, db_index=True, null=True, verbose_name="last used"
            ),
        ),
        migrations.AddField(
            model_name="original",
            name="alt",
            field=models.TextField(blank=True, verbose_name="alternative text"),
        ),
        migrations.AddField(
            model_name="original",
            name="auto_focal_x",
            field=models.PositiveSmallIntegerField(
                blank=True,
                null=True,
                validators=[django.core.validators.MaxValueValidator(100)],
                verbose_name="automatic focal point, across",
            ),
        ),
        migrations.AddField(
            model_name="original",
            name="auto_focal_y",
            field=models.PositiveSmallIntegerField(
                blank=True,
                null=True,
                validators=[django.core.validators.MaxValueValidator(100)],
                verbose_name="automatic focal point, down",
            ),
        ),
        migrations.AddField(
            model_name="original",
            name="focal_x",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Percent from the left.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(100)],
                verbose_name="focal point, across",
            ),
        ),
        migrations.AddField(
            model_name="original",
            name="focal_y",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Percent from the top.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(100)],
                verbose_name="focal point, down",
            ),
        ),
        migrations.AddField(
            model_name="original",
            name="placeholder_blur",
            field=models.TextField(blank=True, verbose_name="placeholder blur"),
        ),
        migrations.AddField(
            model_name="original",
            name="placeholder_color",
            field=models.CharField(blank=True, max_length=7, verbose_name="placeholder color"),
        ),
        migrations.AddIndex(
            model_name="original",
            index=resizer.models.NameIndex(
                fields=["source", "name"], name="resizer_original_names"
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.UniqueConstraint(
                fields=("hour", "name"), name="resizer_tally_unique"
            ),
        ),
    ]
