"""Problems as text, JSON, GitHub annotations or SARIF 2.1.0: each function returns what to print."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vlm_sft import __version__
from vlm_sft.genvalues.values.problem import Problem

FORMATS = ("text", "json", "github", "sarif")


def as_text(problems: Sequence[Problem]) -> str:
    """Return one `error: file:line: key: message` line per problem."""
    return "\n".join(f"{problem.severity}: {problem.place}: {problem.text}" for problem in problems)


def as_json(problems: Sequence[Problem], files: int) -> str:
    """Return an object with the count of `files` checked and one object per problem."""
    rows = [asdict(problem) for problem in problems]
    return json.dumps({"files": files, "problems": rows}, indent=2, ensure_ascii=False)


def as_github(problems: Sequence[Problem]) -> str:
    """Return one workflow command per problem, which GitHub shows beside the line."""
    return "\n".join(
        f"::{problem.severity} file={_property(problem.file)},line={max(problem.line, 1)},col={max(problem.column, 1)},"
        f"title={_property('genvalues ' + problem.rule)}::{_data(problem.text)}"
        for problem in problems
    )


def as_sarif(problems: Sequence[Problem]) -> str:
    """Return a SARIF log with one run, as code-scanning services read it."""
    rules = [{"id": rule} for rule in sorted({problem.rule for problem in problems})]
    driver: dict[str, Any] = {"name": "genvalues", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_sarif_result(problem) for problem in problems]}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _sarif_result(problem: Problem) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": problem.file}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    return {
        "ruleId": problem.rule,
        "level": problem.severity,
        "message": {"text": problem.text},
        "locations": [{"physicalLocation": location}],
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
