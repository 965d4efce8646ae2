"""The project's own settings with PyMySQL in place of mysqlclient, which has no wheels for Linux."""

from __future__ import annotations

import pymysql

pymysql.install_as_MySQLdb()

from config.settings import *  # noqa: E402, F403
