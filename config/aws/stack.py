"""Deploy stack.yaml, with all that it needs: `make deploy-stack NAME=acme PARAMETERS="AlarmEmail=you@example.com"`.

1. build the package, and upload it and cloudfront.yaml
2. make the secrets that are missing
3. create the stack, or update it
"""

from __future__ import annotations

import argparse
import hashlib
import re
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from config.aws.package import ROOT, SETTINGS, choose
from resizer.contrib.zappa import packer
from resizer.contrib.zappa.wheels import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEMPLATE = ROOT / "config" / "aws" / "stack.yaml"
EDGE = ROOT / "config" / "aws" / "cloudfront.yaml"
#: In stack.yaml, in the place of a URL.
EDGE_URL = "TemplateURL: cloudfront.yaml"
#: The command gives them a value.
OURS = ("CodeBucket", "CodeKey")
#: Parameters of AWS Systems Manager.
SECRETS = ("DJANGO_SECRET_KEY", "RESIZER_SIGNING_KEY")
#: Buckets, functions and logs have it in their names.
NAME = re.compile(r"[a-z][a-z0-9-]{1,26}[a-z0-9]")


class DeploymentError(Exception):
    """The stack cannot be deployed. The text says why, and how to go on."""


class _Loader(yaml.SafeLoader):
    """Reads `!Ref x` as x: only the parameters matter, which have no such tags."""


_Loader.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Deployment:
    session: Any
    name: str
    account: str
    parameters: Mapping[str, str]

    @property
    def bucket(self) -> str:
        """Of packages and templates."""
        return f"{self.name}-{self.account}-deployments"

    @property
    def architecture(self) -> str:
        return self.parameters.get("Architecture", "x86_64")

    def plan(self) -> Iterator[str]:
        """What `deploy` would do. Changes nothing."""
        if not self._has_bucket():
            yield f"make the bucket {self.bucket}"
        yield f"build the package for {self.architecture} and upload it to {self.bucket}"
        missing = sorted(set(SECRETS) - self._secrets())
        if missing:
            yield f"make the secrets {' and '.join(missing)} below {self._path}"
        verb = "create" if self._known() is None else "update"
        values = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        yield f"{verb} the stack {self.name} with {values or 'default values'}"

    def deploy(self, package: Path) -> dict[str, str]:
        """Return the outputs of the stack. Raises DeploymentError."""
        self._make_bucket()
        given = {
            **self.parameters,
            "CodeBucket": self.bucket,
            "CodeKey": self._upload(package, ".zip"),
        }
        edge = self._upload(EDGE, ".yaml")
        region = self.session.region_name
        url = f"TemplateURL: https://{self.bucket}.s3.{region}.amazonaws.com/{edge}"
        self._make_secrets()
        self._apply(TEMPLATE.read_text(encoding="utf-8").replace(EDGE_URL, url), given)
        return {one["OutputKey"]: one["OutputValue"] for one in (self._known() or {})["Outputs"]}

    @property
    def _path(self) -> str:
        return f"/resizer/{self.name}/"

    def _has_bucket(self) -> bool:
        buckets = self.session.client("s3").list_buckets(Prefix=self.bucket)["Buckets"]
        return self.bucket in [one["Name"] for one in buckets]

    def _make_bucket(self) -> None:
        if self._has_bucket():
            return
        region = self.session.region_name
        # S3 refuses the name of its first region.
        place = {} if region == "us-east-1" else {"LocationConstraint": region}
        options = {"CreateBucketConfiguration": place} if place else {}
        self.session.client("s3").create_bucket(Bucket=self.bucket, **options)
        print(f"Made the bucket {self.bucket}.")

    def _upload(self, path: Path, ending: str) -> str:
        """Another content gets another name, so the stack notices the change."""
        content = path.read_bytes()
        key = hashlib.sha256(content).hexdigest() + ending
        self.session.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        print(f"Uploaded {path.name}.")
        return key

    def _secrets(self) -> set[str]:
        names = [f"{self._path}{name}" for name in SECRETS]
        found = self.session.client("ssm").get_parameters(Names=names)["Parameters"]
        return {one["Name"].rpartition("/")[2] for one in found}

    def _make_secrets(self) -> None:
        for name in sorted(set(SECRETS) - self._secrets()):
            self.session.client("ssm").put_parameter(
                Name=f"{self._path}{name}", Value=secrets.token_hex(32), Type="SecureString"
            )
            print(f"Made the secret {self._path}{name}.")

    def _known(self) -> dict[str, Any] | None:
        try:
            stacks = self.session.client("cloudformation").describe_stacks(StackName=self.name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        stack: dict[str, Any] = stacks["Stacks"][0]
        return stack

    def _apply(self, template: str, given: Mapping[str, str]) -> None:
        known = self._known()
        client = self.session.client("cloudformation")
        values: list[dict[str, Any]] = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in given.items()
        ]
        options = {
            "StackName": self.name,
            "TemplateBody": template,
            "Capabilities": ["CAPABILITY_IAM"],
        }
        if known is None:
            # Nothing is left of a stack that fails, so the next attempt can use the same name.
            client.create_stack(**options, Parameters=values, OnFailure="DELETE")
            self._wait(client, "stack_create_complete")
            return
        kept = [one["ParameterKey"] for one in known["Parameters"]]
        values += [
            {"ParameterKey": key, "UsePreviousValue": True} for key in kept if key not in given
        ]
        try:
            client.update_stack(**options, Parameters=values)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            print(f"The stack {self.name} is up to date.")
            return
        self._wait(client, "stack_update_complete")

    def _wait(self, client: Any, state: str) -> None:
        print(f"Waiting for the stack {self.name}. The first time takes five minutes …")
        try:
            client.get_waiter(state).wait(StackName=self.name)
        except WaiterError:
            raise DeploymentError(f"The stack has failed: {self._reason(client)}") from None

    def _reason(self, client: Any) -> str:
        events = client.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
        # The newest is first; the first failure is the cause of the others.
        return next(
            (f"{one['LogicalResourceId']}: {one['ResourceStatusReason']}" for one in failed[::-1]),
            f"see its events with aws cloudformation describe-stack-events --stack-name {self.name}",
        )


def read_parameters(pairs: list[str]) -> dict[str, str]:
    """Read `Name=value`, and compare with the template. Raises DeploymentError."""
    known = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)["Parameters"]
    names = [name for name in known if name not in OURS]
    found = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair or name not in names:
            raise DeploymentError(
                f"{pair} is no parameter. Write Name=value, with one of {', '.join(names)}."
            )
        rule = known[name]
        allowed = [str(one) for one in rule.get("AllowedValues", [value])]
        if value not in allowed:
            raise DeploymentError(f"{name} is one of {', '.join(filter(None, allowed))}.")
        pattern = rule.get("AllowedPattern", "[0-9]+" if rule["Type"] == "Number" else ".*")
        if not re.fullmatch(pattern, value):
            wanted = rule.get("ConstraintDescription", "A number.")
            raise DeploymentError(f"{name} cannot be {value}. {wanted}")
        found[name] = value
    return found


def build(architecture: str) -> Path:
    package = ROOT / "var" / "lambda" / f"resizer-{architecture}.zip"
    contents = choose(architecture=architecture)
    packer.report(package, packer.build(package, contents, SETTINGS))
    return package


def main() -> None:
    parser = argparse.ArgumentParser(prog="config.aws.stack", description=__doc__)
    parser.add_argument("name", help="of the stack and the function, such as acme")
    parser.add_argument("parameters", nargs="*", metavar="Name=value", help="see stack.yaml")
    parser.add_argument("--package", type=Path, help="one that is built already")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done")
    options = parser.parse_intermixed_args()
    try:
        if not NAME.fullmatch(options.name):
            raise DeploymentError(
                f"{options.name} is no name for buckets: use 3 to 28 lower-case letters, digits and hyphens."
            )
        parameters = read_parameters(options.parameters)
        session = boto3.Session()
        account = session.client("sts").get_caller_identity()["Account"]
        deployment = Deployment(session, options.name, account, parameters)
        if options.dry_run:
            for step in deployment.plan():
                print(f"Would {step}.")
            return
        package = options.package or build(deployment.architecture)
        for name, value in deployment.deploy(package).items():
            print(f"{name:<22}{value}")
    except (DeploymentError, PackageError, BotoCoreError, ClientError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
