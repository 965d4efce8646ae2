"""System checks for mistakes in the configuration. Each message says what is wrong, and each hint what to do.

docs/reference/checks.md lists them by their ids.
"""

from resizer.checks import configuration, deployment  # noqa: F401  # they register checks
