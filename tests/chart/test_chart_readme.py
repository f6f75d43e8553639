"""The exit codes in the chart's README are those of the Job and the trainer."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_sft.train.run import Exit

README = Path(__file__).parents[2] / "charts" / "vlm-sft" / "README.md"
ACTIONS = {"FailJob": "fails at once", "Ignore": "retries, not counted"}


def test_exit_codes_match_the_job_and_the_trainer(
    render: Callable[..., list[dict[str, Any]]], everything: Path
) -> None:
    listed = {
        int(code): does for code, does in re.findall(r"^\| (\d+) \| .* \| (.*) \|$", README.read_text(), re.MULTILINE)
    }
    assert listed.keys() == {int(code) for code in Exit}
    jobs = [job for job in render(everything) if job["kind"] == "Job" and "-train-" in job["metadata"]["name"]]
    rules = [rule for rule in jobs[0]["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    handled = {code: ACTIONS[rule["action"]] for rule in rules for code in rule["onExitCodes"]["values"]}
    assert handled == {code: does for code, does in listed.items() if code not in (0, 1)}
    assert (listed[0], listed[1]) == ("succeeds", "retries, up to `train.maxRestarts` times")
