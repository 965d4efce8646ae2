"""Digests as unique keys: MySQL has no room for a name in one, and takes names for equal that differ in case or accents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import migrations, models

from resizer.keys.digests import digest_of

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: How many rows are read and written at a time.
BATCH = 500


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for model, texts in (("Original", ("source", "name")), ("CachedVariant", ("key",))):
        _fill(apps.get_model("resizer", model), texts, schema_editor.connection)


def _fill(model: Any, texts: tuple[str, ...], connection: BaseDatabaseWrapper) -> None:
    rows = model._base_manager.using(connection.alias).order_by("pk").values_list("pk", *texts)
    # Several times as fast as `bulk_update`.
    names = [connection.ops.quote_name(one) for one in (model._meta.db_table, "digest", "id")]
    update = "UPDATE {} SET {} = %s WHERE {} = %s".format(*names)
    last = 0
    with connection.cursor() as cursor:
        while some := list(rows.filter(pk__gt=last)[:BATCH]):
            cursor.executemany(update, [(digest_of(*values), pk) for pk, *values in some])
            last = some[-1][0]


def describe_again(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Whether GIFs and WebPs have transparency is told otherwise than before: their headers are to be read again."""
    rows = apps.get_model("resizer", "Original")._base_manager.using(schema_editor.connection.alias)
    rows.filter(format__in=["gif", "webp"]).update(checked_at=None, fingerprint="")


def _digest(**options: Any) -> models.CharField[str, str]:
    return models.CharField(max_length=32, editable=False, serialize=False, **options)


class Migration(migrations.Migration):
    dependencies = [("resizer", "0001_initial")]

    operations = [
        migrations.AddField("original", "digest", _digest(null=True)),
        migrations.AddField("cachedvariant", "digest", _digest(null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(describe_again, migrations.RunPython.noop, elidable=True),
        migrations.AlterField("original", "digest", _digest(unique=True)),
        migrations.AlterField("cachedvariant", "digest", _digest(unique=True)),
        migrations.RemoveConstraint("original", "resizer_original_unique"),
        migrations.AlterField(
            "cachedvariant", "key", models.CharField(max_length=1024, verbose_name="key")
        ),
    ]
