"""Every argument of ms-swift is either in the chart's same-run.yaml or counts as changing what is learned."""

from pathlib import Path
from typing import Any

import yaml
from vlm_sft.swift_arguments.check import swift_arguments

ROOT = Path(__file__).parents[2]
SAME: dict[str, Any] = yaml.safe_load((ROOT / "charts/vlm-sft/files/same-run.yaml").read_text())
CHANGING: dict[str, list[str]] = yaml.safe_load((ROOT / "tests/data/swift_arguments/changing.yaml").read_text())


def test_each_argument_is_decided_once() -> None:
    groups = [*(group["names"] for group in SAME["arguments"]), SAME["validation"]["names"], *CHANGING.values()]
    decided = sorted(name for names in groups for name in names)
    assert decided == sorted({*swift_arguments()["sft"], *swift_arguments()["megatron"]})


def test_each_group_has_a_reason() -> None:
    assert all(group["why"] for group in [*SAME["arguments"], *SAME["variables"]])
