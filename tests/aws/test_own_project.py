"""A fresh project, with the lines of the README and of docs/production/zappa.md, deployed by Zappa to a local AWS."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.aws.deployment import ARCHITECTURE, CREDENTIALS, Deployment
from tests.aws.events import HOSTS, KINDS, STAGE, Request, Response, parse_answer, write_event
from tests.aws.runtime import REGION
from tests.documents import examples, read
from tests.pictures import TOLERANCE, decode, difference, photograph
from tests.servers import ROOT, manage, moto_server
from tests.test_package import build, start_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.function

NAME = "shop-production"
BUCKETS = ("acme-deployments", "acme-originals", "acme-variants")
PAGE = examples(read("production/zappa"))


def block(language: str, marker: str) -> str:
    """The example of the page with these words."""
    (found,) = (one.text for one in PAGE if one.language == language and marker in one.text)
    return found


def pins() -> str:
    """Of the packages that tests run with, so that nothing else has to be fetched."""
    files = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in ("base", "test")]
    wanted = re.findall(r"^[\w.-]+==[\w.]+$", "\n".join(files), re.MULTILINE)
    return "\n".join(wanted)


@dataclass(frozen=True)
class Shop(Deployment):
    def call(self, kind: str, path: str, accept: str = "*/*") -> Response:
        """A request in an event of this kind."""
        request = Request(path=path, headers=(("Accept", accept),))
        event = write_event(kind, request)
        aws = self.client("lambda")
        answer = aws.invoke(FunctionName=self.name, Payload=event)
        assert "FunctionError" not in answer, answer["Payload"].read()
        return parse_answer("GET", answer["Payload"].read())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("own")
    wheel = build("wheel", directory / "dist")
    project, environment = start_project(wheel, directory)
    with (project / "shop" / "settings.py").open("a") as file:
        file.write(block("python", "# settings.py"))
        # The page names hosts of a Function URL and of API Gateway.
        file.write(f"    ALLOWED_HOSTS.append({HOSTS['alb']!r})\n")
        file.write(f"    ALLOWED_HOSTS.append({HOSTS['alb_multi']!r})\n")
    requirements = block("text", "# requirements.txt").replace(
        "\ndjango-resized-img\n", f"\n{wheel}\n"
    )
    (project / "constraints.txt").write_text(pins())
    (project / "requirements.txt").write_text(f"-c constraints.txt\n{requirements}")
    stages = json.loads(block("json", '"lambda_handler"').replace("…", "for tests only"))
    assert len(stages["production"]) > 6
    # It will run on this machine.
    stages["production"]["architecture"] = ARCHITECTURE
    (project / "zappa_settings.json").write_text(json.dumps(stages))
    (project / "policy.json").write_text(block("json", '"Statement"'))
    (directory / "credentials").write_text(
        "[default]\n" + "".join(f"{name} = {value}\n" for name, value in CREDENTIALS.items())
    )
    variables = {
        "PYTHONPATH": environment["PYTHONPATH"],
        # `zappa init` writes the name of a profile.
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials"),
    }
    with moto_server("tests.aws.server", str(directory)) as endpoint:
        shop = Shop(endpoint, project, NAME, project, variables)
        s3 = shop.client("s3")
        for bucket in BUCKETS:
            place = {"LocationConstraint": REGION}
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
        s3.put_object(Bucket="acme-originals", Key="photo.jpg", Body=photograph())
        printed = shop.zappa("deploy")
        assert "Deployment complete" in printed
        assert not [line for line in printed.splitlines() if line.startswith("!")]
        yield shop


def test_package_is_small_and_holds_the_project_and_its_requirements(
    shop: Shop, tmp_path: Path
) -> None:
    package = tmp_path / "package.zip"
    shop.save_package(package)
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    found = {one.filename for one in entries}
    # Zappa's own package of this project has 50 MB and 10,288 files. The page tells how large ours is.
    zipped, unpacked, files = re.findall(
        r"production-\d+\.zip: ([\d.]+) MB zipped, ([\d.]+) MB unpacked, (\d+) files",
        read("production/zappa"),
    )[0]
    assert package.stat().st_size / 1e6 == pytest.approx(float(zipped), rel=0.1)
    assert sum(one.file_size for one in entries) / 1e6 == pytest.approx(float(unpacked), rel=0.1)
    assert len(found) == pytest.approx(int(files), rel=0.1)
    tops = {name.partition("/")[0] for name in found if "/" in name and ".dist-info/" not in name}
    assert {"shop", "resizer", "django", "PIL", "storages", "boto3", "zappa"} <= tops
    assert not {"troposphere", "hjson", "click", "pip", "bin", "pyvips", "pytest"} & tops
    assert not {"manage.py", "zappa_settings.json", "policy.json", "shop/db.sqlite3"} & found
    modules = {name for name in found if name.endswith(".py")}
    compiled = {name for name in found if name.endswith(".cpython-313.pyc")}
    assert len(modules) == len(compiled)


@pytest.mark.parametrize("kind", KINDS)
def test_page_shows_a_picture_whatever_the_kind_of_event(shop: Shop, kind: str) -> None:
    stage = f"/{STAGE}" if kind in ("rest", "http") else ""
    page = shop.call(kind, f"{stage}/")
    assert page.status == 200
    source = re.search(r'src="([^"]+)"', page.body.decode())
    assert source
    assert source[1].startswith(f"{stage}/img/photo.jpg/")
    for _ in range(2):
        picture = shop.call(kind, source[1])
        assert (picture.status, picture["Content-Type"]) == (200, "image/jpeg")
    image = decode(picture.body)
    assert difference(image, decode(photograph()).resize(image.size)) < TOLERANCE
    # The name of the object is the path, so a CDN can look there first.
    key = source[1].removeprefix(f"{stage}/")
    shop.client("s3").head_object(Bucket="acme-variants", Key=key)


def test_role_has_the_policy_of_the_page_and_no_other(shop: Shop) -> None:
    iam = shop.client("iam")
    role = f"{NAME}-ZappaLambdaExecutionRole"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert document == json.loads(block("json", '"Statement"'))


def test_policy_of_the_page_is_that_of_the_project() -> None:
    text = (ROOT / "config/aws/policies/execution.json").read_text()
    ours = json.loads(text.replace("change-me-", "acme-").replace("/resizer-*", "/shop-*"))
    # The page names the right to read parameters where it explains them.
    expected = [one for one in ours["Statement"] if one.pop("Sid") != "ReadParameters"]
    assert json.loads(block("json", '"Statement"'))["Statement"] == expected


def test_public_calls_the_function_by_its_url_only(shop: Shop) -> None:
    statement = shop.policy()["FunctionURLAllowPublicAccessInvoke"]
    assert statement["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    assert shop.fetch("/").status == 200


def test_commands_pass_through_the_alias_alone(shop: Shop) -> None:
    done = shop.run("manage", "check")
    assert "Commands come through the alias 'commands'" in done.stdout
    aws = shop.client("lambda")
    aws.create_alias(FunctionName=NAME, Name="commands", FunctionVersion="$LATEST")
    try:
        findings = shop.command("manage", "resizer_doctor")
    finally:
        aws.delete_alias(FunctionName=NAME, Name="commands")
    assert "✓ settings: manage.py check finds nothing." in findings
    assert "✓ variants storage: " in findings
    assert "✗" not in findings


def test_doctor_on_the_machine_of_a_developer_finds_the_settings_right(shop: Shop) -> None:
    environment = {
        **shop.variables,
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "AWS_ENDPOINT_URL": shop.endpoint,
        "AWS_DEFAULT_REGION": REGION,
    }
    manage(shop.project, environment, "migrate")
    findings = manage(shop.project, environment, "resizer_doctor")
    assert "zappa_settings.json" not in findings
    assert "✗" not in findings


def test_variants_of_a_deleted_original_are_purged_by_the_clock(shop: Shop) -> None:
    s3 = shop.client("s3")
    key = "img/gone.jpg/5d41402a-nFGBozSE6GBqnk/320.jpg"
    s3.put_object(Bucket="acme-variants", Key=key, Body=b"stale")
    (rule,) = shop.client("events").list_rules()["Rules"]
    event = {"detail-type": "Scheduled Event", "resources": [rule["Arn"]]}
    answer = shop.client("lambda").invoke(FunctionName=NAME, Payload=json.dumps(event))
    assert "FunctionError" not in answer
    kept = [one["Key"] for one in s3.list_objects_v2(Bucket="acme-variants").get("Contents", ())]
    assert key not in kept
