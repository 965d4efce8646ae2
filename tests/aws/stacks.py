"""Resources of CloudFormation that moto lacks. Those of CloudFront are names alone: edges are tested in tests/aws/test_edge.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.awslambda.models import lambda_backends
from moto.cloudformation import models, parsing, responses, utils
from moto.core.common_models import CloudFormationModel

if TYPE_CHECKING:
    import yaml

#: What `!GetAtt` gives.
ATTRIBUTES: dict[str, dict[str, str]] = {
    "AWS::CloudFront::CachePolicy": {},
    "AWS::CloudFront::Distribution": {"DomainName": "d111111abcdef8.cloudfront.net"},
    "AWS::CloudFront::Function": {"FunctionARN": "arn:aws:cloudfront::123456789012:function/f"},
    "AWS::CloudFront::OriginAccessControl": {"Id": "E1"},
    "AWS::CloudFront::OriginRequestPolicy": {},
    "AWS::CloudFront::ResponseHeadersPolicy": {},
    "AWS::CloudWatch::Alarm": {},
    "AWS::S3::BucketPolicy": {},
}


class _Resource(CloudFormationModel):
    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.physical_resource_id = name
        self._attributes = attributes

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return self._attributes[name]

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *_: Any, **__: Any
    ) -> _Resource:
        return cls(resource_name, ATTRIBUTES[cls.cloudformation_type()])

    @classmethod
    def update_from_cloudformation_json(cls, original_resource: Any, *_: Any, **__: Any) -> Any:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, *_: Any, **__: Any) -> None:
        return None


class _Url(_Resource):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Lambda::Url"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, *place: Any, **__: Any
    ) -> _Url:
        account, region = place
        properties = dict(cloudformation_json["Properties"])
        arn = properties.pop("TargetFunctionArn")
        config = lambda_backends[account][region].create_function_url_config(arn, properties)
        # As AWS does.
        return cls(resource_name, {"FunctionUrl": f"{config.url}/"})


def _type(name: str) -> type[_Resource]:
    return type(name, (_Resource,), {"cloudformation_type": staticmethod(lambda: name)})


def _read(_loader: yaml.Loader, tag: str, node: yaml.Node) -> Any:
    """`!GetAtt Edge.Outputs.URL` has two parts, and moto makes three of it."""
    found = _read_known(_loader, tag, node)
    if tag == "!GetAtt":
        name, *rest = found["Fn::GetAtt"]
        return {"Fn::GetAtt": [name, ".".join(rest)]}
    return found


def _output(self: models.Stack, name: str) -> str:
    output = self.output_map[name.removeprefix("Outputs.")]
    assert output
    return str(output.value)


def _resolve(self: Any, *arguments: Any, **options: Any) -> Any:
    """`UsePreviousValue` of a parameter that has its default, which moto does not remember."""
    stack = options.get("instance") or arguments[0]
    declared = stack.template_dict.get("Parameters", {})
    defaults = {name: one["Default"] for name, one in declared.items() if "Default" in one}
    stack.parameters = {**defaults, **stack.parameters}
    return _resolve_known(self, *arguments, **options)


_read_known = utils.yaml_tag_constructor
_resolve_known = models.CloudFormationBackend._resolve_update_parameters


def extend() -> None:
    # The functions that look for classes remember what they have found.
    resources: list[Any] = [_Url, *map(_type, ATTRIBUTES)]
    for resource in resources:
        parsing.get_model_map()[resource.cloudformation_type()] = resource
    for module in (models, responses):
        setattr(module, "yaml_tag_constructor", _read)  # noqa: B010  # it is no public name
    models.CloudFormationBackend._resolve_update_parameters = _resolve  # type: ignore[method-assign]
    setattr(models.Stack, "get_cfn_attribute", _output)  # noqa: B010  # moto has none
