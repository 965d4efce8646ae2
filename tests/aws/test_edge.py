"""config/aws: the CloudFormation template, and the function that CloudFront runs before its cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
import pytest
import yaml
from django.urls import reverse

from resizer.formats import BY_EXTENSION, FALLBACKS, FORMATS
from resizer.keys.variant import PRIVATE, Fit, Recipe, Variant, parse_key, write_key
from resizer.serving.responses import LED, SECURITY_HEADERS
from resizer.storages.protocol import FOREVER
from tests.aws.deployment import CREDENTIALS
from tests.aws.runtime import REGION
from tests.cloudfront import TEMPLATE, Loader, load_template
from tests.conftest import SERVICES, save
from tests.pictures import draw, encode, photograph
from tests.servers import ROOT, moto_server

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

NORMALISE = ROOT / "config" / "aws" / "normalise.js"

#: The program `cfn-lint`, of this very Python.
CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"

#: Runs the function as CloudFront does, with events of [uri, accept]; gives what is left of Accept.
RUNNER = """
const vm = require("vm");
const context = vm.createContext({});
vm.runInContext(require("fs").readFileSync(process.argv[1], "utf8"), context);
const events = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = events.map(([uri, accept]) => {
    const headers = accept === null ? {} : { accept: { value: accept } };
    const request = { method: "GET", uri, querystring: {}, headers, cookies: {} };
    const answer = context.handler({ version: "1.0", request });
    if (answer.uri !== uri) throw new Error("the address was changed");
    return answer.headers.accept ? answer.headers.accept.value : "";
});
console.log(JSON.stringify(answers));
"""


def find_node() -> str:
    return next(filter(None, map(shutil.which, SERVICES["node"])))


def normalise(*events: tuple[str, str | None]) -> list[str]:
    done = subprocess.run(
        [find_node(), "-e", RUNNER, str(NORMALISE)],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    return answers


def test_template_holds_the_function_as_its_file_has_it() -> None:
    code = load_template()["Normalise"]["FunctionCode"]
    assert code == NORMALISE.read_text(encoding="utf-8")
    # What CloudFront takes.
    assert len(code.encode()) <= 10_240


def test_templates_are_valid() -> None:
    templates = [str(one) for one in sorted(TEMPLATE.parent.glob("*.yaml"))]
    assert len(templates) == 2
    done = subprocess.run(
        [sys.executable, "-c", CFN_LINT, "--include-checks", "I", "--", *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_template_sends_the_headers_that_the_app_sends() -> None:
    policy = load_template()["PicturesHeaders"]["ResponseHeadersPolicyConfig"]
    security = policy["SecurityHeadersConfig"]
    # CloudFormation knows nosniff as ContentTypeOptions, which has no other value.
    assert set(SECURITY_HEADERS) == {
        "Content-Security-Policy",
        "Cross-Origin-Resource-Policy",
        "X-Content-Type-Options",
    }
    (custom,) = policy["CustomHeadersConfig"]["Items"]
    assert SECURITY_HEADERS[custom["Header"]] == custom["Value"]
    assert security["ContentTypeOptions"] == {"Override": True}
    assert security["ContentSecurityPolicy"] == {
        "ContentSecurityPolicy": SECURITY_HEADERS["Content-Security-Policy"],
        "Override": True,
    }


def test_template_leaves_lifetimes_to_the_app() -> None:
    resources = load_template()
    cache = resources["PicturesCache"]["CachePolicyConfig"]
    assert (cache["MinTTL"], cache["DefaultTTL"]) == (0, 0)
    assert f"max-age={cache['MaxTTL']}," in FOREVER
    errors = resources["Distribution"]["DistributionConfig"]["CustomErrorResponses"]
    # All those that CloudFront knows.
    assert [error["ErrorCode"] for error in errors] == [
        *(400, 403, 404, 405, 414, 416),
        *(500, 501, 502, 503, 504),
    ]
    assert {error["ErrorCachingMinTTL"] for error in errors} == {0}


def test_template_keeps_by_path_and_accept_alone() -> None:
    resources = load_template()
    cache = resources["PicturesCache"]["CachePolicyConfig"]
    assert cache["ParametersInCacheKeyAndForwardedToOrigin"] == {
        "CookiesConfig": {"CookieBehavior": "none"},
        "EnableAcceptEncodingBrotli": False,
        "EnableAcceptEncodingGzip": False,
        "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": ["Accept"]},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    }
    _private, pictures = resources["Distribution"]["DistributionConfig"]["CacheBehaviors"]
    assert pictures["CachePolicyId"] == {"Ref": "PicturesCache"}
    assert pictures["OriginRequestPolicyId"] == {"Ref": "PicturesRequest"}
    # Nothing reaches the origins beyond that but what the app says to its redirects.
    request = resources["PicturesRequest"]["OriginRequestPolicyConfig"]
    assert request["QueryStringsConfig"] == {
        "QueryStringBehavior": "whitelist",
        "QueryStrings": [LED],
    }
    assert request["CookiesConfig"] == {"CookieBehavior": "none"}
    assert request["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert pictures["FunctionAssociations"] == [
        {"EventType": "viewer-request", "FunctionARN": {"GetAtt": "Normalise.FunctionARN"}}
    ]


def test_template_asks_the_bucket_first_at_the_mount_of_the_project() -> None:
    resources = load_template()
    distribution = resources["Distribution"]["DistributionConfig"]
    _private, pictures = distribution["CacheBehaviors"]
    mount = reverse("resizer:picture", args=["x"]).removesuffix("x")
    assert pictures["PathPattern"] == f"{mount}*"
    assert pictures["AllowedMethods"] == ["GET", "HEAD"]
    (group,) = distribution["OriginGroups"]["Items"]
    assert pictures["TargetOriginId"] == group["Id"]
    assert [member["OriginId"] for member in group["Members"]["Items"]] == ["variants", "function"]
    assert {403, 404} <= set(group["FailoverCriteria"]["StatusCodes"]["Items"])
    # No prefix that would have to be taken off or put on.
    assert not any("OriginPath" in origin for origin in distribution["Origins"])


def test_template_asks_the_function_for_links_of_private_pictures() -> None:
    distribution = load_template()["Distribution"]["DistributionConfig"]
    # The first pattern that matches counts.
    private, _pictures = distribution["CacheBehaviors"]
    mount = reverse("resizer:picture", args=["x"]).removesuffix("x")
    assert private["PathPattern"] == f"{mount}{PRIVATE}*"
    pages = distribution["DefaultCacheBehavior"]
    for name in ("TargetOriginId", "CachePolicyId", "OriginRequestPolicyId"):
        assert private[name] == pages[name]


def test_template_waits_as_long_as_the_function_may_take() -> None:
    stages = json.loads((ROOT / "zappa_settings.json").read_text(encoding="utf-8"))
    stage = stages[stages["production"]["extends"]] | stages["production"]
    origins = load_template()["Distribution"]["DistributionConfig"]["Origins"]
    (function,) = (origin for origin in origins if origin["Id"] == "function")
    assert function["CustomOriginConfig"]["OriginReadTimeout"] == stage["timeout_seconds"]
    # Who signs is let in, and the distribution signs.
    assert stage["function_url_config"]["authorizer"] == "AWS_IAM"


def test_template_lets_in_nobody_but_its_distribution() -> None:
    resources = load_template()
    distribution = "distribution/${Distribution}"
    (statement,) = resources["VariantsBucketPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "s3:GetObject"
    bucket = {"Sub": "arn:${AWS::Partition}:s3:::${VariantsBucketName}/img/*"}
    assert statement["Resource"] == bucket
    assert statement["Condition"]["StringEquals"]["AWS:SourceArn"]["Sub"].endswith(distribution)
    calls = [resources[name] for name in ("CallFunctionUrl", "CallFunction")]
    assert [call["Action"] for call in calls] == [
        "lambda:InvokeFunctionUrl",
        "lambda:InvokeFunction",
    ]
    for call in calls:
        assert call["Principal"] == "cloudfront.amazonaws.com"
        assert call["SourceArn"]["Sub"].endswith(distribution)
    assert all(resources["VariantsBucket"]["PublicAccessBlockConfiguration"].values())


def test_bucket_outlives_its_stack_and_is_not_in_the_way_of_a_second_try() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    bucket = yaml.load(text, Loader)["Resources"]["VariantsBucket"]
    # Retain would leave the bucket of a stack that failed, and the next one could not make it.
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["UpdateReplacePolicy"] == "Retain"


def about_the_bucket() -> str:
    """The bucket alone, which a local AWS can make; what the other resources say of it as outputs."""
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)
    resources = template["Resources"]
    (variants, _) = resources["Distribution"]["Properties"]["DistributionConfig"]["Origins"]
    policy = resources["VariantsBucketPolicy"]["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    said = {
        "Origin": variants["DomainName"],
        "Policy": policy["Bucket"],
        "Resource": statement["Resource"],
    }
    return json.dumps(
        spelled_out(
            {
                "Parameters": template["Parameters"],
                "Conditions": template["Conditions"],
                "Resources": {"VariantsBucket": resources["VariantsBucket"]},
                "Outputs": {name: {"Value": value} for name, value in said.items()},
            }
        )
    )


def spelled_out(value: Any) -> Any:
    """The short forms of functions in their long form."""
    if isinstance(value, list):
        return [spelled_out(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        f"Fn::{key}" if key in ("Sub", "GetAtt", "If", "Equals", "Not") else key: (
            one.split(".") if key == "GetAtt" else spelled_out(one)
        )
        for key, one in value.items()
    }


def test_stack_makes_the_bucket_or_takes_the_one_there_is() -> None:
    url = f"https://abcdefghij.lambda-url.{REGION}.on.aws/"
    with moto_server() as endpoint:
        s3, stacks = (
            boto3.client(one, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
            for one in ("s3", "cloudformation")
        )
        for makes in ("yes", "no"):
            name = f"acme-{makes}"
            if makes == "no":
                place = {"LocationConstraint": REGION}
                s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
            parameters = [("VariantsBucketName", name), ("FunctionUrl", url)]
            # It makes the bucket where nobody says otherwise.
            parameters += [("MakeVariantsBucket", "no")] if makes == "no" else []
            stacks.create_stack(
                StackName=name,
                TemplateBody=about_the_bucket(),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value} for key, value in parameters
                ],
            )
            resources = stacks.list_stack_resources(StackName=name)["StackResourceSummaries"]
            made = {one["LogicalResourceId"] for one in resources} - {""}
            assert made == ({"VariantsBucket"} if makes == "yes" else set())
            assert name in [one["Name"] for one in s3.list_buckets()["Buckets"]]
            (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
            assert {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]} == {
                "Origin": f"{name}.s3.{REGION}.amazonaws.com",
                "Policy": name,
                "Resource": f"arn:aws:s3:::{name}/img/*",
            }


@pytest.mark.service("node")
def test_accept_does_not_count_for_keys() -> None:
    recipes = (
        Recipe(),
        Recipe(ratio=(7, 3), focal=(62, 35)),
        Recipe(quality="low", ratio=(1, 1), fit=Fit.FILL),
    )
    keys = [
        write_key(
            Variant(
                source=source,
                name=name,
                version="5d41402a",
                recipe=recipe,
                width=640,
                format=BY_EXTENSION[extension],
            ),
            "nFGBozSE6GBqnk",
        )
        for source in ("default", "web")
        for name in ("cat.jpg", "2026/a b+c.jpg", "日本/猫.jpg", "640/x.jpg")
        for recipe in recipes
        for extension in BY_EXTENSION
    ]
    assert set(normalise(*((f"/img/{key}", "image/avif") for key in keys))) == {""}


@pytest.mark.service("node")
@pytest.mark.parametrize(
    "path",
    [
        "cat.jpg",
        "640/photos/cat.jpg",
        "640/_web/cat.jpg",
        "5d41402a-nFGBozSE6GBqnk/640.avif",
        "cat.jpg/5d41402a-nFGBozSE6GBqnk/640",
        "cat.jpg/5d41402a-nFGBozSE6GBqnk/640.x.avif",
        "cat.jpg/5d41402a-nFGBozSE6GBqnk/7x3/1x1/640.avif",
        "cat.jpg/5D41402a-nFGBozSE6GBqnk/640.avif",
        "cat.jpg/5d41402a-nFGBozSE6GBqn/640.avif",
        "cat.jpg/5d41402a-nFGBozSE6GBqnk/640%2E1.avif",
        "a%20b.jpg/5d41402a-nFGBozSE6GBqnk/640%2E1.avif",
    ],
)
def test_accept_counts_for_what_the_app_takes_for_a_short_url(path: str) -> None:
    assert parse_key(unquote(path)) is None
    assert normalise((f"/img/{path}", "image/avif")) == ["image/avif"]


@pytest.mark.service("node")
def test_nothing_but_pictures_is_found_unless_pages_are_wanted() -> None:
    code = load_template()["Closed"]["FunctionCode"]
    done = subprocess.run(
        [find_node(), "-p", f"{code}; handler({{ request: {{ uri: '/admin/' }} }}).statusCode"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "404\n"


CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,image/jxl,image/heic,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
ACCEPTS = {
    CHROME: "image/avif,image/webp",
    SAFARI: "image/avif,image/webp",
    "image/webp,*/*": "image/webp",
    "IMAGE/AVIF ; Q=1.0 , text/html": "image/avif",
    "*/*": "",
    "image/*": "",
    "": "",
    "image/avif;q=0": "",
    "image/avif;q=0.000,image/webp": "image/webp",
    "image/avif;q=never": "image/avif",
    "image/avif;q=0.5": "image/avif",
    "image/avif;q=0.5,image/webp;q=0.9": "image/webp,image/avif;q=0.5",
    "image/avif;q=0.9,image/webp;q=0.2": "image/avif,image/webp;q=0.5",
    "image/jpeg,image/png,image/avif;q=0.1": "",
    "image/jpeg;q=0.5,image/png;q=0.5,image/avif;q=0.5": "image/avif",
    "," * 1000 + "image/avif": "",
    "__proto__,image/webp": "image/webp",
}


@pytest.mark.service("node")
def test_accept_has_six_spellings_for_short_urls() -> None:
    reduced = normalise(*(("/img/640/cat.jpg", accept) for accept in ACCEPTS))
    assert reduced == list(ACCEPTS.values())
    assert normalise(("/img/640/cat.jpg", None)) == [""]
    # Reducing twice changes nothing.
    again = [accept for accept in reduced if accept]
    assert normalise(*(("/img/640/cat.jpg", accept) for accept in again)) == again


def test_accept_offers_the_modern_formats_of_the_app() -> None:
    modern = [one.content_type for one in FORMATS if one.is_written and one not in FALLBACKS]
    assert f"const OFFERED = {json.dumps(modern)};" in NORMALISE.read_text(encoding="utf-8")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "formats", [["avif"], ["webp"], ["avif", "webp"], ["webp", "avif"], []], ids=",".join
)
def test_reduced_accept_gets_what_the_whole_one_gets(
    formats: list[str], client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}, "FORMATS": formats}
    save("photo.jpg", photograph((64, 48)))
    save("leaf.png", encode(draw((64, 48), "RGBA"), "PNG"))
    for whole, reduced in ACCEPTS.items():
        for name in ("photo.jpg", "leaf.png"):
            one, other = (
                client.get(f"/img/16/{name}", headers={"Accept": accept} if accept else {})
                for accept in (whole, reduced)
            )
            assert one.status_code == 200
            assert one.headers["Content-Type"] == other.headers["Content-Type"], (name, whole)
