"""Checks what `otel_distro.configure()` was given, by the rules of the environment."""

from collections.abc import Mapping
from functools import partial
from typing import cast, get_args

from otel_distro.settings import parsing
from otel_distro.settings.model import InCode, ServiceKind
from otel_distro.settings.parsing import Invalid, Parser, shown


def checked(said: InCode) -> tuple[InCode, list[str]]:
    """Return what can be used of it, and a line for each argument that cannot."""
    problems: list[str] = []

    def check(argument: str, parser: Parser[str], value: object) -> str | None:
        if value is None:
            return None
        try:
            return parser(_text(value))
        except Invalid as invalid:
            is_shown = (
                "" if invalid.secret or argument.startswith("headers") else f"={shown(str(value))}"
            )
            used = "using what is left of it" if invalid.kept else "ignoring it"
            said_as = f"configure({argument}{is_shown})"
            problems.append(f"{said_as} {invalid.problem}; {used}. Use {invalid.fix}.")
            return invalid.kept

    def check_pairs(argument: str, values: object) -> dict[str, str]:
        if not isinstance(values, Mapping):
            problems.append(
                f"configure({argument}) is no mapping but {type(values).__name__}; ignoring it. "
                'Use {"key": "value"}.'
            )
            return {}
        found = {
            str(key): check(f"{argument}[{str(key)!r}]", parsing.free_text, value)
            for key, value in values.items()
        }
        return {key: value for key, value in found.items() if value is not None}

    text = parsing.free_text
    kind = partial(parsing.choice, of=get_args(ServiceKind))
    usable = said._replace(
        service_name=check("service_name", text, said.service_name),
        service_version=check("service_version", text, said.service_version),
        service_kind=cast("ServiceKind | None", check("service_kind", kind, said.service_kind)),
        environment=check("environment", text, said.environment),
        resource_attributes=check_pairs("resource_attributes", said.resource_attributes),
        endpoint=check("endpoint", parsing.url, said.endpoint),
        headers=check_pairs("headers", said.headers),
    )
    return usable, problems


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(f"is no text but {type(value).__name__}", "text")
    return value
