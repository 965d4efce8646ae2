"""The cost of a cold start on AWS Lambda, and of later requests: `make bench-cold-start`.

CPU milliseconds and memory of the unpacked package, each in a process of its own, the median of a few. Four steps are
measured: imports and set-up before the first event, the first request, the first picture from the bucket, and the same
picture again. For comparison, all again without the bytecode in the package. moto's server stands for S3.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from config.aws.package import PYTHON, SETTINGS, choose
from resizer.contrib.zappa import packer
from resizer.contrib.zappa.wheels import find_python
from tests.servers import ROOT, moto_server, s3_with

RUNS = 7
PHOTOGRAPH = ROOT / "config" / "gallery" / "photographs" / "bridge.jpg"
EVENT = {
    "version": "2.0",
    "rawQueryString": "",
    "headers": {"host": "a1b2c3.lambda-url.eu-west-1.on.aws", "accept": "image/avif"},
    "requestContext": {
        "domainName": "a1b2c3.lambda-url.eu-west-1.on.aws",
        "stage": "$default",
        "http": {"method": "GET", "sourceIp": "203.0.113.7"},
    },
}
SCRIPT = f"""
import contextlib, io, json, resource, sys, time
sys.path.insert(0, sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    from config.aws.handler import lambda_handler
milliseconds = [time.process_time() * 1000]
for path in ("/", "/img/640/bridge.jpg", "/img/640/bridge.jpg"):
    started = time.process_time()
    answer = lambda_handler({EVENT!r} | {{"rawPath": path}}, None)
    assert answer["statusCode"] == 200, answer
    milliseconds.append((time.process_time() - started) * 1000)
print(json.dumps([*milliseconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))
"""
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "resizer-dev",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "DJANGO_SECRET_KEY": "for measuring only",
    "DJANGO_ALLOWED_HOSTS": ".on.aws",
    "RESIZER_OPEN": "default",
    "RESIZER_ORIGINALS_BUCKET": "originals",
    "RESIZER_VARIANTS_BUCKET": "variants",
    "AWS_ACCESS_KEY_ID": "measuring",
    "AWS_SECRET_ACCESS_KEY": "measuring",
    # As on Lambda, where the package cannot be written to.
    "PYTHONDONTWRITEBYTECODE": "1",
}


def main() -> None:
    python = find_python(PYTHON)
    with tempfile.TemporaryDirectory() as place, moto_server() as endpoint:
        package = Path(sys.argv[1] if sys.argv[1:] else f"{place}/package.zip")
        if not sys.argv[1:]:
            packer.report(package, packer.build(package, choose(), SETTINGS))
        directory = Path(place) / "task"
        with zipfile.ZipFile(package) as archive:
            archive.extractall(directory)
        fill(endpoint)
        print("CPU ms: init, first request, first picture, a picture again; memory")
        show("bytecode in the package", python, directory, endpoint)
        for bytecode in directory.rglob("*.pyc"):
            bytecode.unlink()
        show("none", python, directory, endpoint)


def fill(endpoint: str) -> None:
    """Two buckets, and an original."""
    s3 = s3_with(endpoint, "originals", "variants")
    s3.upload_file(str(PHOTOGRAPH), "originals", PHOTOGRAPH.name)


def show(name: str, python: str, directory: Path, endpoint: str) -> None:
    # The first run makes the variant, and fills the cache of the file system.
    runs = [measure(python, directory, endpoint) for _ in range(RUNS + 1)][1:]
    *costs, memory = (statistics.median(column) for column in zip(*runs, strict=True))
    print(" ".join(f"{cost:6.1f}" for cost in costs), f"{memory:4.0f} MB  {name}")


def measure(python: str, directory: Path, endpoint: str) -> list[float]:
    done = subprocess.run(
        [python, "-I", "-B", "-c", SCRIPT, str(directory)],
        cwd=directory,
        env=ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    measured: list[float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    main()
