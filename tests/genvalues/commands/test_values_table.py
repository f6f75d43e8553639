"""`genvalues docs` makes the table of the chart's README, and the README holds it as it is."""

from pathlib import Path

from click.testing import CliRunner
from vlm_sft.genvalues.cli import main

CHART = Path(__file__).parents[3] / "charts" / "vlm-sft"
VALUES = """\
# Every knob.

# A section,
# in two lines.
section:
  # [GiB] one | two.
  size: 10
  # Flow: part of the default.
  limits: {cpu: 4, memory: 8Gi}

  # Too far away.

  bare: null
  # Nothing in it.
  empty: {}
  # Several.
  several: [a|b, 1.0e-4, yes]
"""
TABLE = """\
| key | default | what |
|---|---|---|
| `section` |  | A section, in two lines. |
| `section.size` | `10` | [GiB] one \\| two. |
| `section.limits` | `{"cpu": 4, "memory": "8Gi"}` | Flow: part of the default. |
| `section.bare` | `null` |  |
| `section.empty` | `{}` | Nothing in it. |
| `section.several` | `["a\\|b", 0.0001, true]` | Several. |
"""


def test_rows_are_made_of_keys_and_the_comments_above_them(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "values.schema.json").write_text("{}")
    result = CliRunner().invoke(main, ["docs", "--chart", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, TABLE)


def test_the_readme_of_the_chart_holds_the_table_as_it_is() -> None:
    table = CliRunner().invoke(main, ["docs", "--chart", str(CHART)]).stdout
    _, _, rest = (CHART / "README.md").read_text(encoding="utf-8").partition("<!-- values -->\n")
    assert rest.partition("<!-- /values -->")[0] == table, "stale; run `make goldens`"


def test_a_missing_chart_is_reported() -> None:
    result = CliRunner().invoke(main, ["docs", "--chart", "/nowhere"])
    assert (result.exit_code, result.stderr) == (1, "error: /nowhere/values.yaml: no such file\n")
