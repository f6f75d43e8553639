"""The exit codes that the chart's README tells are those that the Job acts on and the trainer ends with."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_sft.train.run import Exit

README = Path(__file__).parents[2] / "charts" / "vlm-sft" / "README.md"
ACTIONS = {"FailJob": "fails at once", "Ignore": "tries again, uncounted"}


def test_exit_codes_are_those_of_the_job_and_the_trainer(
    render: Callable[..., list[dict[str, Any]]], everything: Path
) -> None:
    told = {
        int(code): does for code, does in re.findall(r"^\| (\d+) \| .* \| (.*) \|$", README.read_text(), re.MULTILINE)
    }
    assert told.keys() == {int(code) for code in Exit}
    jobs = [job for job in render(everything) if job["kind"] == "Job" and "-train-" in job["metadata"]["name"]]
    rules = [rule for rule in jobs[0]["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    acted = {code: ACTIONS[rule["action"]] for rule in rules for code in rule["onExitCodes"]["values"]}
    assert acted == {code: does for code, does in told.items() if code not in (0, 1)}
    assert (told[0], told[1]) == ("succeeds", "tries again, `train.maxRestarts` times")
