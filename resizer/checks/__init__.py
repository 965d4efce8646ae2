"""System checks for mistakes in the configuration. Each message names the mistake, and each hint its remedy.

docs/reference/checks.md lists them by their ids.
"""

from resizer.checks import configuration, deployment  # noqa: F401  # they register checks
