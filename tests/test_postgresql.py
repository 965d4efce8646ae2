"""The project on PostgreSQL, as DATABASE_URL brings it there: pictures, their index, and the admin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests

from tests.servers import ROOT, django_server, manage, postgresql_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.service("postgresql")


def test_admin_lists_what_pages_have_had_made(tmp_path: Path) -> None:
    with postgresql_server() as address:
        environment = {
            "DATABASE_URL": address,
            "RESIZER_DATA_DIR": str(tmp_path),
            "DJANGO_DEBUG": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        manage(ROOT, environment, "migrate", "--verbosity", "0")
        manage(ROOT, environment, "load_gallery")
        assert "PostgreSQL has our tables" in manage(ROOT, environment, "resizer_doctor")
        with django_server(ROOT, environment) as url, requests.Session() as visitor:
            page = visitor.get(f"{url}/").text
            paths = re.findall(r'src="(/img/[^"]+)"', page)[:3]
            answers = [visitor.get(url + path) for path in paths]
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            login = f"{url}/admin/login/?next=/admin/resizer/cachedvariant/"
            visitor.get(login)
            form = {"username": "admin", "password": "admin"}
            token = visitor.cookies["csrftoken"]
            listed = visitor.post(login, {**form, "csrfmiddlewaretoken": token})
            assert listed.status_code == 200
            assert "3 cached variants" in listed.text
        removed = manage(ROOT, environment, "resizer_purge", "--all")
        assert removed.startswith("Removed 3 cached variants")
