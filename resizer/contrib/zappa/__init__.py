"""For projects deployed to AWS Lambda with Zappa. Name these callbacks in zappa_settings.json.

    "callbacks": {
      "settings": "resizer.contrib.zappa.check",    before the deployment: tells what the stage should have
      "zip": "resizer.contrib.zappa.pack",          fills the package
      "post": "resizer.contrib.zappa.lock"          after the deployment: nobody calls the function directly
    },
    "lambda_handler": "resizer.contrib.zappa.handler.lambda_handler"

The function imports this module too. So its callbacks import the rest when they are called.
"""

from __future__ import annotations

from typing import Any


def check(zappa: Any) -> None:
    """Zappa's callback `settings`: print advice on the stage. Ends with SystemExit if the stage cannot be packed."""
    from resizer.contrib.zappa import stages

    stages.report(zappa.stage_config, zappa.api_stage)


def pack(zappa: Any) -> None:
    """Zappa's callback `zip`: replace Zappa's package. Ends with SystemExit if the package cannot be built."""
    from resizer.contrib.zappa import packer

    packer.pack(zappa, packer.read_stage(zappa.stage_config))


def lock(zappa: Any) -> None:
    """Zappa's callback `post`: let the public call the function through its Function URL only, never directly.

    Ends with SystemExit if boto3 is too old to limit the permission.
    """
    from resizer.contrib.zappa import permissions

    permissions.lock(zappa.zappa.lambda_client, zappa.lambda_name)
