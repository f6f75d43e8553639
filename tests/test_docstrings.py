"""Every file and module named in a docstring or comment of the package, or in a Markdown file, exists."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "src"
FOLDERS = (".ci", ".github", "charts", "docker", "python", "tests", "values")
FILES = [*(p for p in ROOT.iterdir() if p.is_file()), *(p for f in FOLDERS for p in (ROOT / f).rglob("*"))]
EXISTING = [f"/{path.relative_to(ROOT)}" for path in [*FILES, *(ROOT / folder for folder in FOLDERS)]]
SOURCES = sorted((PACKAGE / "vlm_sft").rglob("*.py"))
DOCUMENTS = sorted(path for path in FILES if path.suffix == ".md" and "photos" not in path.parts)

NAMED_FILE = re.compile(
    r"(?<![\w./<>*{}$:@-])(?:\.\./)*((?:[\w.-]+/)*[\w-][\w.-]*\.(?:py|yaml|json|jsonl|tpl|sh|toml|md|txt|safetensors))(?![\w/*-]|\.\w)"
)
NAMED_FOLDER = re.compile(r"`((?:charts|docker|python|tests|values)(?:/[\w.-]+)*)/?`")
NAMED_MODULE = re.compile(r"\bvlm_sft(?:\.\w+)+")
NAME_OF_USER = re.compile(r"\b(?:DIR|NAME)\b")
# A cell of the sources in python/MEMORY.md: OWNER/REPOSITORY@COMMIT PATH
OTHER_REPOSITORY = re.compile(r"(?:github\.com/)?[\w-]+/[\w-]+(?:@[0-9a-f]{7,})? [\w./-]+(?:@[0-9a-f]{7,})?")
# What a run, a checkpoint or a rendered ConfigMap holds, and the data of a user.
OUTPUTS = {
    "adapter_model.safetensors", "args.json", "curve.jsonl", "data.json", "identity.json", "metrics.json",
    "RESULTS.jsonl", "ROWS.jsonl", "run.yaml", "RUN_DIR/curve.jsonl", "scores.jsonl", "TASK/IDENTITY/predictions.jsonl",
    "TASK/IDENTITY/parts/SHARD-of-SHARDS.jsonl", "export/model.safetensors", "fire_bc_test.jsonl",
    "fire_bc_train.jsonl", "latest_checkpointed_iteration.txt", "logging.jsonl", "metadata.json", "predictions.jsonl",
    "record.json", "run_report.json", "stats.json", "train.jsonl", "train.yaml", "trainer_state.json", "val.jsonl",
}  # fmt: skip
# Of ms-swift, accelerate and nccl-tests.
OTHER_PROJECTS = {
    "doc/PERFORMANCE.md", "fsdp2.json", "swift/megatron/utils/megatron_lm_utils.py", "utils/fsdp_utils.py",
    "zero1.json", "zero2.json", "zero3.json",
}  # fmt: skip


def prose(path: Path) -> Iterator[str]:
    """Yield the docstrings and comments of a Python file, or the text of any other."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield OTHER_REPOSITORY.sub("", text) if path.name == "MEMORY.md" else text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def module_exists(dotted: str) -> bool:
    """Return whether a dotted name is a package, a module or a name in a module's text."""
    path = PACKAGE.joinpath(*dotted.split("."))
    parent = path.parent.with_suffix(".py")
    return path.is_dir() or path.with_suffix(".py").exists() or (parent.exists() and path.name in parent.read_text())


@pytest.mark.parametrize("path", [*SOURCES, *DOCUMENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_named_file_folder_and_module_exists(path: Path) -> None:
    missing = set()
    for text in prose(path):
        for name in {*NAMED_FILE.findall(text), *NAMED_FOLDER.findall(text)} - OUTPUTS - OTHER_PROJECTS:
            if not NAME_OF_USER.search(name) and not any(file.endswith(f"/{name}") for file in EXISTING):
                missing.add(name)
        missing |= {dotted for dotted in NAMED_MODULE.findall(text) if not module_exists(dotted)}
    assert sorted(missing) == []
