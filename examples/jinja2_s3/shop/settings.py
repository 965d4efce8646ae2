"""Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION, and the buckets in ORIGINALS and VARIANTS."""

import os
from pathlib import Path

from botocore.config import Config

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EXAMPLE_DATA", BASE_DIR / "data"))
DATA.mkdir(exist_ok=True)

SECRET_KEY = "an example, never a secret"
DEBUG = True
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["resizer", "photos"]
MIDDLEWARE = [
    # Before all others, which may add headers and cookies to pictures.
    "resizer.middleware.ResizerMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "APP_DIRS": True,
        "OPTIONS": {"extensions": ["resizer.jinja2.ResizerExtension"]},
    },
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
S3 = {
    # Another service than AWS has a URL of its own.
    "endpoint_url": os.environ.get("S3_ENDPOINT"),
    "client_config": Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2}),
}
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {**S3, "bucket_name": os.environ["ORIGINALS"], "file_overwrite": False},
    },
    "resizer": {
        "BACKEND": "storages.backends.s3.S3Storage",
        # The location is the path of the app's URLs, so that a CDN can serve the bucket.
        "OPTIONS": {**S3, "bucket_name": os.environ["VARIANTS"], "location": "img"},
    },
}
