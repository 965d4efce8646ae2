"""Environment variables from AWS Systems Manager, so that secrets are in no file. For settings of projects on AWS:

    os.environ.update(read_parameters("/shop/production/") | os.environ)

Store each with `aws ssm put-parameter --type SecureString --name /shop/production/DJANGO_SECRET_KEY --value …`.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


def read_parameters(path: str) -> dict[str, str]:
    """Read the parameters below the path, by the last parts of their names. Raises ImproperlyConfigured."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Seconds. botocore's default of a minute is longer than a function has to start.
    patience = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("ssm", config=patience)
        pages = client.get_paginator("get_parameters_by_path").paginate(
            # AWS takes a path without a slash at its end, but in "/".
            Path=path.rstrip("/") or "/",
            WithDecryption=True,
        )
        found = [one for page in pages for one in page["Parameters"]]
    except (BotoCoreError, ClientError) as error:
        raise ImproperlyConfigured(
            f"The parameters below {path} cannot be read: {error}. Allow ssm:GetParametersByPath there."
        ) from error
    return {one["Name"].rpartition("/")[2]: one["Value"] for one in found}
