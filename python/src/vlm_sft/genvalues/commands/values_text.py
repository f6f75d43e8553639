"""A new values file as text: the modeline that editors read, its question, the estimate, the values."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

_PLAIN = re.compile(r"(?!(y|n|yes|no|on|off|true|false|null)$)[a-z/][a-z0-9_./-]*", re.IGNORECASE)  # text to every YAML


def values_text(schema: str, question: str, verdict: str, values: Mapping[str, Any], batch: str) -> str:
    """Return the file; `schema` is the path from the file to the schema, `batch` the effective batch as its product."""
    head = [f"# yaml-language-server: $schema={schema}"]
    for text in (f"Question: {question}", f"Estimate: {verdict}"):
        head += textwrap.wrap(" ".join(text.split()), 118, initial_indent="# ", subsequent_indent="# ")
        head[-1] += "   # Result: pending" if text.startswith("Question") else ""
    body = yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, width=10**6, allow_unicode=True)
    return "\n".join(head) + "\n" + re.sub(r"(effectiveBatchSize: \d+)", rf"\1  # {batch}", body)


class _Dumper(yaml.SafeDumper):
    """Quotes whatever one of the YAML readers takes for something else than text; writes 1.0e-4, and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - a YAML value may be anything
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if _PLAIN.fullmatch(text) else '"')


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = f"{value:.1e}".replace("e-0", "e-") if value < 1e-3 else repr(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)
