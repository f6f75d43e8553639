"""Arrows point one way: adapters know no ms-swift, the writer knows no data set, images know neither."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "src" / "vlm_sft"
ALLOWED = {
    "prepare/conversation.py": set(),
    "prepare/fire_text.py": set(),
    "prepare/fire.py": {"images.fire_layout", "prepare.conversation", "prepare.fire_text"},
    "prepare/swift_row.py": {"prepare.conversation"},
    "prepare/swift_check.py": {"prepare.conversation", "prepare.swift_row"},
    "images/fire_layout.py": set(),
    "images/decode.py": set(),
    "images/resolve.py": {"images.decode"},
}


def imported(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_imports_only_what_its_arrow_allows(module: str) -> None:
    ours = {name.removeprefix("vlm_sft.") for name in imported(PACKAGE / module) if name.startswith("vlm_sft")}
    assert ours == ALLOWED[module]


def test_only_the_runner_and_the_command_know_both_sides() -> None:
    for path in sorted((PACKAGE / "prepare").glob("*.py")):
        modules = imported(path)
        knows_data_set = "vlm_sft.datasets.fire.rows" in modules or "vlm_sft.datasets.fire.layout" in modules
        knows_swift = bool(modules & {"vlm_sft.prepare.swift_row", "vlm_sft.prepare.swift_check"})
        assert not (knows_data_set and knows_swift) or path.name in {"cli.py", "runner.py"}, path.name
