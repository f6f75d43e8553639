"""Which package may import which: arrows point one way, so that a reader knows what a change can reach."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "python" / "src" / "vlm_sft"
COMMON = {"errors", "atomic_file", "lazy_group", "stop_signals", "__version__"}
ALLOWED = {
    "cli": set(),  # imports its commands by name, when they are run
    "errors": set(),
    "lazy_group": set(),
    "atomic_file": set(),
    "stop_signals": set(),
    "images": {"prepare"},
    "prepare": {"images"},
    "sample": set(),
    "train": {"cluster", "genvalues"},
    "evaluate": {"train"},
    "export": {"train"},
    "serve": {"train"},
    "cluster": set(),
    "ddp_check": set(),
    "genvalues": set(),
}
HEAVY = {"torch", "transformers", "datasets", "peft", "swift"}
MAY_IMPORT_HEAVY = {
    "train/swift_plugin/fsdp_checkpoint.py",
    "train/swift_plugin/megatron_callbacks.py",
    "train/swift_plugin/run_recorder.py",
    "genvalues/swift_args_table.py",
    "prepare/token_cost.py",
    "export/fsdp_shards.py",
    "ddp_check/rank.py",
    "serve/server.py",
}


def imported(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources() -> list[tuple[str, Path]]:
    return [
        (str(path.relative_to(PACKAGE)), path) for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"
    ]


def test_every_folder_imports_only_what_it_may() -> None:
    wrong = []
    for name, path in sources():
        layer = name.split("/", 1)[0].removesuffix(".py")
        for module in imported(path):
            if module.startswith("vlm_sft."):
                other = module.split(".")[1]
                if other not in {layer, *COMMON, *ALLOWED[layer]}:
                    wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_no_tool_imports_what_only_the_ranks_need() -> None:
    heavy = [f"{name}: {m}" for name, path in sources() if name not in MAY_IMPORT_HEAVY for m in imported(path)
             if m.split(".")[0] in HEAVY]  # fmt: skip
    assert heavy == []
