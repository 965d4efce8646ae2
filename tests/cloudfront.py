"""CloudFront's part, played by nginx as config/aws/cloudfront.yaml says it: the template's own values and its own function.

Each edge has a cache of its own, asks the bucket and, where the template says so, the function next. It tells in `X-Origins` whom it
has asked for a response; a response without it comes from the edge's cache.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from tests.nginx import nginx
from tests.servers import ROOT, free_port, moto_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATE = ROOT / "config" / "aws" / "cloudfront.yaml"

#: How the module of nginx's JavaScript calls a CloudFront Function.
CALL = """
function call(r) {
    const headers = r.headersIn.Accept === undefined ? {} : { accept: { value: r.headersIn.Accept } };
    const request = { method: r.method, uri: r.variables.path, querystring: {}, headers: headers, cookies: {} };
    return handler({ version: "1.0", request: request });
}
function accept(r) {
    const answer = call(r);
    return answer.headers.accept ? answer.headers.accept.value : "";
}
function moved(r) {
    const answer = call(r);
    return answer.statusCode ? answer.headers.location.value : "";
}
export default { accept, moved };
"""

HTTP = """
js_path {directory};
js_import edge from edge.js;
js_set $accept edge.accept;
js_set $moved edge.moved;
absolute_redirect off;
map $request_uri $path {{ "~^(?<before_query>[^?]*)" $before_query; }}
map $args $query {{ "~(?<passed_on>(?:^|&)(?:{queries})(?:=[^&]*)?)(?:&|$)" "?$passed_on"; }}
map $upstream_cache_status $origins {{ HIT ""; default $upstream_addr; }}
{edges}
"""

EDGE = """
proxy_cache_path {directory}/cache-{port} keys_zone=edge-{port}:1m;
server {{
    listen 127.0.0.1:{port};
    if ($request_method !~ "^({methods})$") {{ return 403; }}
    if ($moved) {{ return 301 $moved; }}

    proxy_set_header Cookie "";
    proxy_set_header Accept $accept;
    proxy_cache edge-{port};
    proxy_cache_key "$request_method $path $accept";
    proxy_cache_methods GET HEAD;
    proxy_cache_convert_head off;
    # CloudFront keys on what the policy says, whatever Vary says.
    proxy_ignore_headers Vary;
    {headers}
    add_header X-Origins $origins always;

    location {pattern} {{
        proxy_pass http://{storage}$path$query;
        proxy_set_header Host {bucket}.s3.amazonaws.com;
        proxy_set_header Cookie "";
        proxy_set_header Accept $accept;
        proxy_set_header Authorization "{signature}";
        proxy_intercept_errors on;
        error_page {statuses} = @function;
    }}

    location {private} {{
        proxy_cache off;
        proxy_pass http://{function}$path$is_args$args;
        proxy_set_header Cookie $http_cookie;
    }}

    location @function {{
        proxy_pass http://{function}$path$query;
    }}

    location / {{ return 404; }}
}}
"""

#: A cache policy of AWS.
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
#: Stands for the signature of the origin access control.
SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=testing/20261122/eu-west-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


class Loader(yaml.SafeLoader):
    """Reads `!GetAtt x.y` as {"GetAtt": "x.y"}."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {suffix: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", _tagged)


def load_template() -> dict[str, Any]:
    """The resources of the template, each with its properties."""
    template = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader)
    return {name: row["Properties"] for name, row in template["Resources"].items()}


@contextmanager
def edges(
    directory: Path, *, count: int, bucket: str, storage: str, function: str, signs: bool = True
) -> Iterator[list[str]]:
    """Run edges; gives their addresses. `storage` and `function` are hosts with ports."""
    resources = load_template()
    distribution = resources["Distribution"]["DistributionConfig"]
    private, behaviour = distribution["CacheBehaviors"]
    assert private["TargetOriginId"] == "function"
    assert private["CachePolicyId"] == CACHING_DISABLED
    (group,) = distribution["OriginGroups"]["Items"]
    assert behaviour["TargetOriginId"] == group["Id"]
    assert [one["OriginId"] for one in group["Members"]["Items"]] == ["variants", "function"]
    policy = resources["PicturesHeaders"]["ResponseHeadersPolicyConfig"]
    security = policy["SecurityHeadersConfig"]
    added = {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "X-Content-Type-Options": "nosniff" if security["ContentTypeOptions"] else "",
        **{one["Header"]: one["Value"] for one in policy["CustomHeadersConfig"]["Items"]},
    }
    directory.mkdir(parents=True)
    (directory / "edge.js").write_text(resources["Normalise"]["FunctionCode"] + CALL)
    ports = [free_port() for _ in range(count)]
    servers = [
        EDGE.format(
            directory=directory,
            port=port,
            pattern=behaviour["PathPattern"].removesuffix("*"),
            private=private["PathPattern"].removesuffix("*"),
            methods="|".join(behaviour["AllowedMethods"]),
            headers="\n".join(
                f'proxy_hide_header {name}; add_header {name} "{value}" always;'
                for name, value in added.items()
            ),
            storage=storage,
            bucket=bucket,
            signature=SIGNATURE if signs else "",
            statuses=" ".join(map(str, group["FailoverCriteria"]["StatusCodes"]["Items"])),
            function=function,
        )
        for port in ports
    ]
    queries = resources["PicturesRequest"]["OriginRequestPolicyConfig"]["QueryStringsConfig"]
    http = HTTP.format(
        directory=directory, edges="".join(servers), queries="|".join(queries["QueryStrings"])
    )
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    with nginx(directory, addresses[-1], http):
        yield addresses


@contextmanager
def local_s3(originals: str, variants: str) -> Iterator[tuple[dict[str, str], Any]]:
    """Two new buckets; gives the environment of a project that keeps its files there, and boto3's resource."""
    with moto_server() as address:
        environment = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DJANGO_DEBUG": "0",
            "DJANGO_SECRET_KEY": "for tests only",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "RESIZER_OPEN": "default",
            "RESIZER_ORIGINALS_BUCKET": originals,
            "RESIZER_VARIANTS_BUCKET": variants,
        }
        s3 = boto3.resource(
            "s3",
            endpoint_url=address,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
        )
        for bucket in (originals, variants):
            s3.create_bucket(Bucket=bucket)
        yield environment, s3
