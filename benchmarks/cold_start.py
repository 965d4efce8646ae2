"""What a function on AWS Lambda pays before its first answer: `make bench-cold-start`.

CPU milliseconds and memory of the unpacked package in processes of their own, the median of a few: what is imported and
set up before the first event, and the first request. Once more without the bytecode in the package, for comparison.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from config.lambda_package import build, describe, find_python

RUNS = 7
EVENT = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "a1b2c3.lambda-url.eu-west-1.on.aws"},
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
    from config.aws_lambda import lambda_handler
started = time.process_time()
answer = lambda_handler({EVENT!r}, None)
answered = time.process_time()
lambda_handler({EVENT!r}, None)
assert answer["statusCode"] == 200, answer
print(json.dumps({{
    "init": started * 1000,
    "first": (answered - started) * 1000,
    "next": (time.process_time() - answered) * 1000,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
}}))
"""
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "resizer-dev",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "DJANGO_SECRET_KEY": "for measuring only",
    "DJANGO_ALLOWED_HOSTS": ".on.aws",
    "RESIZER_ORIGINALS_BUCKET": "originals",
    "RESIZER_VARIANTS_BUCKET": "variants",
    # As on Lambda, where the package cannot be written to.
    "PYTHONDONTWRITEBYTECODE": "1",
}


def main() -> None:
    python = find_python()
    with tempfile.TemporaryDirectory() as place:
        package = Path(sys.argv[1]) if sys.argv[1:] else build(Path(place) / "package.zip")
        print(describe(package).splitlines()[0])
        directory = Path(place) / "task"
        with zipfile.ZipFile(package) as archive:
            archive.extractall(directory)
        show("bytecode in the package", python, directory)
        for bytecode in directory.rglob("*.pyc"):
            bytecode.unlink()
        show("none", python, directory)


def show(name: str, python: str, directory: Path) -> None:
    # The first run fills the cache of the file system.
    runs = [measure(python, directory) for _ in range(RUNS + 1)][1:]
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    print(
        f"{median['init']:5.0f} ms init {median['first']:5.0f} ms first request "
        f"{median['next']:5.1f} ms next one {median['memory']:4.0f} MB  {name}"
    )


def measure(python: str, directory: Path) -> dict[str, float]:
    done = subprocess.run(
        [python, "-I", "-B", "-c", SCRIPT, str(directory)],
        cwd=directory,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    main()
