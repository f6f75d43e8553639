"""Which package may import which: arrows point one way, so that a reader knows what a change can reach."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "python" / "src" / "vlm_sft"
# What every package may import: modules beside the packages that import nothing of vlm_sft but each other.
COMMON = {"errors", "atomic_file", "lazy_group", "positions", "stop_signals", "suggest", "__version__"}
# Package -> packages whose modules it may import. A sub-package is listed where its arrows are fewer than its parent's.
ALLOWED = {
    "datasets": set(),
    "images": {"datasets"},
    "prepare": {"datasets", "images"},
    "check": {"datasets", "images", "prepare"},
    "swift_arguments": set(),
    "runs": set(),
    "launch": set(),
    "cluster": set(),
    "train": {"cluster", "evaluate", "launch", "runs", "swift_arguments"},
    "evaluate": {"launch", "runs"},
    "export": {"launch", "runs"},
    "serve": {"launch", "runs"},
    "sample": set(),
    "ddp_check": set(),
    "genvalues": {"swift_arguments"},
    "genvalues.values": set(),
    "genvalues.rules": {"genvalues.values", "swift_arguments"},
    "genvalues.sizing": {"genvalues.values"},
    "genvalues.advice": {"genvalues.values", "genvalues.rules", "genvalues.sizing"},
    "genvalues.commands": {"genvalues", "swift_arguments"},
}
HEAVY = {"torch", "transformers", "datasets", "peft", "swift"}
MAY_IMPORT_HEAVY = {
    "datasets/generic/hub_stream.py",
    "train/swift_plugin/batch_log.py",
    "train/swift_plugin/accuracy_curve.py",
    "train/swift_plugin/fsdp_checkpoint.py",
    "train/swift_plugin/megatron_callbacks.py",
    "train/swift_plugin/row_order.py",
    "train/swift_plugin/run_recorder.py",
    "swift_arguments/make_table.py",
    "prepare/swift_load.py",
    "prepare/swift_template.py",
    "prepare/verify.py",
    "cluster/fetch_data.py",
    "evaluate/loss_rows.py",
    "evaluate/swift_rows.py",
    "export/fsdp_shards.py",
    "ddp_check/mlp.py",
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
        (str(path.relative_to(PACKAGE)), path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]


def layer_of(name: str) -> str:
    """Return the longest package in ALLOWED that holds a dotted module name; empty for a module beside them."""
    parts = name.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in ALLOWED), "")


def is_allowed(layer: str, module: str) -> bool:
    other = layer_of(module)
    allowed = ALLOWED[layer] | {layer}
    return module.split(".")[0] in COMMON or other in allowed or other.split(".")[0] in allowed


def test_every_package_imports_only_what_it_may() -> None:
    wrong = []
    for name, path in sources():
        layer = layer_of(name.removesuffix(".py").replace("/", "."))
        for module in imported(path):
            ours = module.removeprefix("vlm_sft.")
            is_right = is_allowed(layer, ours) if layer else ours.split(".")[0] in COMMON
            if ours != module and not is_right:
                wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_every_package_has_its_arrows() -> None:
    folders = {str(path.parent.relative_to(PACKAGE)).replace("/", ".") for _, path in sources()} - {"."}
    assert {layer_of(folder) for folder in folders} == set(ALLOWED)


def test_no_tool_imports_what_only_the_ranks_need() -> None:
    heavy = [f"{name}: {m}" for name, path in sources() if name not in MAY_IMPORT_HEAVY for m in imported(path)
             if m.split(".")[0] in HEAVY]  # fmt: skip
    assert heavy == []


def test_only_the_registry_imports_a_dataset_and_no_sample_depends_on_one() -> None:
    shared = {
        "conversation",
        "dataset",
        "image_field",
        "image_path",
        "list_text",
        "options",
        "readers",
        "registry",
        "row_form",
        "texts",
    }
    for name, path in sources():
        folder = name.split("/")[1] if name.startswith("datasets/") else ""
        modules = {m.split(".")[2] for m in imported(path) if m.startswith("vlm_sft.datasets.")}
        # Alpaca's rows are one of the shapes of somebody's own data.
        own = {folder, "alpaca"} if folder == "generic" else {folder}
        assert name == "datasets/registry.py" or modules <= shared | own, name
    for name in ("swift_row", "swift_check"):
        modules = {m for m in imported(PACKAGE / "prepare" / f"{name}.py") if m.startswith("vlm_sft.datasets.")}
        assert {m.split(".")[2] for m in modules} <= {"conversation", "texts"}, name
