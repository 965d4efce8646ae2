"""Before and after `zappa deploy` and `zappa update`: `callbacks` in zappa_settings.json name these functions.

Zappa loads this file by its path, outside the project.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
#: What users replace in zappa_settings.json and in the policy.
PLACEHOLDER = "change-me"


def lock(zappa: Any) -> None:
    """Zappa's callback `post`: nobody outside the account calls the function but by its Function URL."""
    sys.path.insert(0, str(ROOT))
    from resizer.contrib import zappa as contrib

    contrib.lock(zappa)


def check_stage(zappa: Any) -> None:
    """Zappa's callback `settings`: stop before anything is made on AWS, where the stage could not run."""
    for problem in _problems(zappa.stage_config):
        sys.exit(f"The stage {zappa.api_stage} in zappa_settings.json {problem}")


def _problems(stage: dict[str, Any]) -> Iterator[str]:
    if PLACEHOLDER in json.dumps(stage):
        yield f"still says {PLACEHOLDER}: replace each with a value of your own."
    variables = stage.get("aws_environment_variables", {})
    policy = stage.get("attach_policy")
    allowed = Path(policy).read_text(encoding="utf-8") if policy else ""
    for variable, value in variables.items():
        if policy and variable.endswith("_BUCKET") and f"arn:aws:s3:::{value}/" not in allowed:
            yield f"has {variable} {value}: allow it in {policy} as well."
    package = stage.get("package", {})
    unknown = ", ".join(sorted(set(package) - {"engines", "postgresql"}))
    if unknown:
        yield f"has {unknown} in package: its keys are engines and postgresql."
    has_postgresql = package.get("postgresql", True)
    if variables.get("DATABASE_URL", "").startswith("postgres") and not has_postgresql:
        yield "has a PostgreSQL database: set postgresql in package to true."
