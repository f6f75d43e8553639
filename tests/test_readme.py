"""The README says only what is so: its paths exist, its commands are there, its smoke run is the one that runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_every_link_and_path_exists() -> None:
    links = {link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")}
    named = set(re.findall(r"(?:charts|values|docker|python|tests)/[\w./-]*[\w]", README))
    missing = sorted(path for path in links | named if not (ROOT / path).exists())
    assert missing == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z0-9-]+)", README)) - targets == set()


COMMANDS = sorted(set(re.findall(r"^ *((?:helm|genvalues) .*)$", "".join(BASH), re.MULTILINE)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_needs_no_cluster_runs(line: str) -> None:
    words = line.split()
    if words[0] == "helm":
        words = [str(ROOT / ".tools/helm4/helm"), "template", *words[2:]]
    else:
        words[0] = str(BIN / words[0])
    ended = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "shown"), re.findall(r"^\$ (genvalues .*)\n((?:(?![$`]).*\n)+)", README, re.MULTILINE)
)
def test_what_genvalues_is_shown_to_say_it_says(command: str, shown: str) -> None:
    words = [str(BIN / "genvalues"), *command.split()[1:]]
    assert subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout == shown


def test_the_example_of_an_experiment_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(example)
    ended = subprocess.run([BIN / "genvalues", "validate", path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_table_of_experiments_holds_every_values_file_with_its_batch() -> None:
    rows = dict(re.findall(r"^\| \[([\w-]+\.yaml)\].*\|([^|]*)\|$", README, re.MULTILINE))
    assert set(rows) == {path.name for path in (ROOT / "values").glob("*.yaml")}
    for name, batch in rows.items():
        train = yaml.safe_load((ROOT / "values" / name).read_text())["train"]
        if not train.get("enabled", True):
            continue
        product = re.fullmatch(r" (\d+) = (\d+) x (\d+) x (\d+) ", batch)
        assert product, name
        effective, per_gpu, accumulation, gpus = map(int, product.groups())
        assert effective == per_gpu * accumulation * gpus == train["effectiveBatchSize"]
        assert gpus == train["gpusPerNode"]


def test_the_smoke_run_shown_proves_what_smoke_proves_today() -> None:
    shown = re.findall(r"^ok    (.*?)  ", README, re.MULTILINE)
    source = (ROOT / "tests/smoke/proofs.py").read_text()
    claims = [claim.replace("{processes}", "2") for claim in re.findall(r'Proof\(\s*f?"([^"]+)"', source)]
    assert sorted(shown) == sorted(claims)
