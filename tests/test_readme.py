"""The README is true and short: its paths and targets exist, its commands run, its sample output is the real one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TROUBLESHOOTING = (ROOT / "charts/vlm-sft/TROUBLESHOOTING.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
MAX_PARAGRAPH_CHARACTERS = 4 * 120
LINK = re.compile(r"\]\(([^)]+)\)")
CONTRIBUTING = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_every_link_and_path_exists() -> None:
    links = {link.partition("#")[0] for link in LINK.findall(README) if not link.startswith("http")}
    named = set(re.findall(r"(?:charts|values|docker|python|tests)/[\w./-]*[\w]", README))
    missing = sorted(path for path in links | named if not (ROOT / path).exists())
    assert missing == []


def test_the_options_of_the_vlm_sft_commands_exist() -> None:
    for command in re.findall(r"`(vlm-sft [^`]*--[^`]*)`", README + TROUBLESHOOTING):
        subcommand, _, options = command.partition(" --")
        words = [BIN / "vlm-sft", *subcommand.split()[1:], "--help"]
        shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"--[a-z-]+", f"--{options}")) - set(re.findall(r"--[a-z-]+", shown)) == set()


def test_it_is_read_in_three_minutes() -> None:
    assert README.count("\n") <= 150
    text = re.sub(r"```.*?```", "", LINK.sub("]", README), flags=re.DOTALL)
    paragraphs = [re.sub(r"\s+", " ", block).strip() for block in re.split(r"\n\s*\n|\n(?=\s*(?:[|#-]|\d\.))", text)]
    prose = [block for block in paragraphs if not block.startswith(("|", "#"))]
    assert [block for block in prose if len(block) > MAX_PARAGRAPH_CHARACTERS] == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"\bmake ((?:[a-z0-9-]+ )*[a-z0-9-]+)`", README + CONTRIBUTING)
    assert {target for targets in named for target in targets.split()} - targets == set()


COMMANDS = sorted(set(re.findall(r"^ *((?:helm|genvalues) .*)$", "".join(BASH), re.MULTILINE)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_needs_no_cluster_runs(line: str) -> None:
    words = line.partition("#")[0].split()
    if words[0] == "helm":
        # Options that read the cluster are left out, and a fresh rendering has no values to reuse.
        values = ["-f", "values/fire-4gpu.yaml"] if "--reset-then-reuse-values" in words else []
        given = [word for word in words[2:] if word != "--reset-then-reuse-values"]
        words = [str(ROOT / ".tools/helm4/helm"), "template", *given, *values]
    else:
        words[0] = str(BIN / words[0])
    ended = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_form_without_the_chart_fails_as_shown() -> None:
    command, message = re.findall(r"\| `(must .*?)` \| `helm (install .*?)`", TROUBLESHOOTING)[0][::-1]
    ended = subprocess.run(
        [ROOT / ".tools/helm4/helm", *command.split()], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode != 0
    assert message in ended.stderr


def test_the_objects_and_labels_of_the_kubectl_commands_are_rendered() -> None:
    kubectl = "\n".join(re.findall(r"^.*kubectl .*$", "".join(BASH), re.MULTILINE))
    for selector in re.findall(r"-l ([\w./=,-]+)", kubectl):
        wanted = dict(pair.split("=") for pair in selector.split(","))
        release = wanted["app.kubernetes.io/instance"]
        options = ["-f", "values/fire-4gpu.yaml", "--set", "dataPod.enabled=true"]
        command = [ROOT / ".tools/helm4/helm", "template", release, "charts/vlm-sft", *options]
        rendered = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
        manifests = [manifest for manifest in yaml.safe_load_all(rendered) if manifest]
        labels = [m["metadata"].get("labels", {}) for m in manifests if m["kind"] in ("Job", "Pod")]
        assert any(wanted.items() <= found.items() for found in labels), selector
    (pod,) = (manifest for manifest in manifests if manifest["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    assert "/outputs" in [mount["mountPath"] for mount in container["volumeMounts"]]


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("train.effectiveBatchSize=63", r"`(train\.effectiveBatchSize: 63 .*?)`"),
        ("train.gpuPerNode=2", r"`(no such key; did you mean .*?)`"),
    ],
)
def test_the_mistakes_shown_are_reported_in_these_words(wrong: str, shown: str) -> None:
    command = [BIN / "genvalues", "validate", "values/fire-4gpu.yaml", "--set", wrong]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert re.findall(shown, TROUBLESHOOTING)[0] in ended.stderr + ended.stdout


def test_every_key_of_the_chart_that_is_named_exists() -> None:
    schema = json.loads((ROOT / "charts/vlm-sft/values.schema.json").read_text())
    for key in set(
        re.findall(
            r"`(?:--set )?((?:model|train|prepare|storage|gpu|image|ddpCheck)\.[\w.]+)", README + TROUBLESHOOTING
        )
    ):
        node = schema
        for part in (
            key.removeprefix("train.args.").split(".") if not key.startswith("train.env.") else ["train", "env"]
        ):
            node = node["properties"].get(part)
            assert node is not None, key


@pytest.mark.parametrize(
    ("command", "shown"), re.findall(r"^\$ (genvalues .*)\n((?:(?![$`]).*\n)+)", README, re.MULTILINE)
)
def test_the_output_of_genvalues_is_the_one_shown(command: str, shown: str) -> None:
    words = [str(BIN / "genvalues"), *command.split()[1:]]
    assert subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True).stdout == shown


def test_the_example_of_an_experiment_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(example)
    command = [BIN / "genvalues", "validate", path, "--set", "image.repository=registry.example/vlm-sft"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_smoke_run_shown_has_the_proofs_of_the_smoke_run() -> None:
    shown = re.findall(r"^ok    (.*?)  ", README, re.MULTILINE)
    source = (ROOT / "tests/smoke/proofs.py").read_text()
    claims = [claim.replace("{processes}", "2") for claim in re.findall(r'Proof\(\s*f?"([^"]+)"', source)]
    assert sorted(shown) == sorted(claims)
