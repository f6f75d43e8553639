"""The table of experiments is what the values files and the record of `make experiments` give."""

import yaml
from readme_table import BEGIN, END, README, RECORD, ROOT, table


def test_the_table_is_the_generated_one() -> None:
    shown = README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert shown == table()


def test_every_values_file_has_a_record() -> None:
    record = yaml.safe_load(RECORD.read_text(encoding="utf-8"))
    assert set(record) == {path.stem for path in (ROOT / "values").glob("*.yaml")}
    assert all(entry["ran"] or entry["note"] for entry in record.values())
