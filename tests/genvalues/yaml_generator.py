"""Seeded values files for the parity tests: what a researcher may write, and YAML 1.1's odd corners."""

# ruff: noqa: C901, PERF401 - lists of odd inputs, one way of spoiling each

import random

ODD_SCALARS = [
    "1e-4",
    "1E5",
    "1.0e-4",
    "1e+3",
    "1e400",
    "-1e-400",
    ".5",
    "._5",
    ".5_0",
    "5.",
    "+.5",
    "-.5e3",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "-_1",
    "0",
    "-0",
    "-0.0",
    "+0",
    "00",
    "012",
    "0o17",
    "0O17",
    "08",
    "09.5",
    "0b101",
    "0b102",
    "-0b11",
    "0b-11",
    "0b+1",
    "0B1",
    "0x1F",
    "-0x1f",
    "0X1f",
    "0x",
    "0xG",
    "0x1p4",
    "1_0.5",
    "0_12",
    "9007199254740993",
    "123456789012",
    "12345678901234567890",
    "99999999999999999999",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e21",
    "1e20",
    "123e18",
    "1e-6",
    "1e-7",
    "0.1",
    "3.14159",
    "1000000",
    "1003520",
    "1.0",
    "2.50",
    "1e3",
    "12:30:00",
    "190:20:30",
    "2001-01-01",
    "2001-1-1",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14T21:59:43Z",
    "2024-13-45",
    ".inf",
    "-.inf",
    "+.INF",
    ".nan",
    ".NaN",
    ".Inf",
    "inf",
    "nan",
    "NaN",
    "~",
    "null",
    "Null",
    "NULL",
    "nULL",
    "yes",
    "Yes",
    "YES",
    "yEs",
    "no",
    "on",
    "off",
    "On",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "true",
    "True",
    "TRUE",
    "tRUE",
    "false",
    "False",
    "t",
    "f",
    "''",
    "'1'",
    '"1"',
    "'\"'",
    '"\\n"',
    '"\\u263a"',
    '"\\x41"',
    "'yes'",
    '"null"',
    '"1e-4"',
    '"\\ud83d"',
    '"a\\tb"',
    "foo",
    "foo.bar",
    "a/b",
    "/cache/x",
    "id#500",
    "@x",
    "a@b",
    "%x",
    "a%b",
    "`x`",
    "1Gi",
    "500m",
    "2001",
    "x:y",
    "x:1",
    "::1",
    "a-b",
    "-a",
    "---",
    "-1-",
    "...",
    "$x",
    "${x}",
    "{{x}}",
    "!x",
    "[a]",
    "<<",
    "=",
    "-",
    "?",
    "!",
    "&",
    "*",
    "|",
    ">",
    "'",
    '"',
    "!!str",
    "1",
    "!!int",
    "3",
    "!!int",
    "x",
    "!!float",
    "1",
    "!!float",
    "0x10",
    "!!float",
    "x",
    "!!bool",
    "yes",
    "!!bool",
    "1",
    "!!null",
    "~",
    "!!null",
    "x",
    "!!binary",
    "aGk=",
    "!!binary",
    "a",
    "!!timestamp",
    "2001-01-01",
    "!!timestamp",
    "x",
    "!foo",
    "bar",
    "!",
    "12",
    "!",
    '"12"',
    "!!map",
    "x",
    "!!seq",
    "[1]",
    "!!set",
    "{a,b}",
    "!!int",
    '"3"',
    "!!str",
    "~",
    "!!float",
    "99999999999999999999",
    "!!omap",
    "[]",
    "!!int",
    "0o7",
    "!!float",
    "18446744073709551615",
]
PLAIN_SCALARS = [
    "1",
    "2",
    "4",
    "8",
    "16",
    "32",
    "0.1",
    "1e-5",
    "2e-5",
    "true",
    "false",
    "lora",
    "all",
    "bfloat16",
    "Qwen/Qwen3-VL-8B-Instruct",
    "500Gi",
    "/outputs/x",
    "nvidia.com/gpu",
]
KEYS = [
    "model",
    "train",
    "args",
    "batchSizePerGpu",
    "learning_rate",
    "gpu",
    "image",
    "tag",
    "storage",
    "cache",
    "size",
    "nodeSelector",
    "a",
    "b",
    "c",
    "d",
    "e",
]
ODD_KEYS = [
    "1",
    "1.5",
    "true",
    "yes",
    "~",
    "null",
    "0x10",
    "1e3",
    "12:30",
    '"q"',
    "'s'",
    "2001-01-01",
    "<<",
    "-1",
    "a b",
    "a.b",
    "?",
    "é",
    "日本",
    ".inf",
    "1234567.5",
    "0.00001",
    "18446744073709551615",
    "[a]",
    "{a: 1}",
    "!!str 1",
    "!!binary aGk=",
    "on",
]


class YamlGenerator:
    """Writes YAML documents; `oddness` from 0 (what people write) to 1 (as strange as it gets)."""

    def __init__(self, seed: int, oddness: float) -> None:
        self.random = random.Random(seed)
        self.oddness = oddness
        self.anchors: list[str] = []
        self.names = 0

    def odd(self, share: float = 1.0) -> bool:
        return self.random.random() < self.oddness * share

    def document(self) -> str:
        """Return one document whose root is a mapping."""
        self.anchors = []
        return self.mapping(0, 0)

    def scalar(self) -> str:
        pool = ODD_SCALARS if self.odd() else PLAIN_SCALARS
        return self.random.choice(pool).replace("\\x20", " ")

    def key(self) -> str:
        return self.random.choice(ODD_KEYS if self.odd(0.15) else KEYS)

    def anchor(self) -> str:
        if not self.odd(0.1):
            return ""
        self.names += 1
        name = f"n{self.names}"
        self.anchors.append(name)
        return f"&{name} "

    def mapping(self, indent: int, depth: int) -> str:
        lines = []
        for _ in range(self.random.randint(1, 4)):
            lines.append(" " * indent + self.key() + ":" + self.value(indent, depth))
        if self.anchors and self.odd(0.1):
            lines.append(" " * indent + f"<<: *{self.random.choice(self.anchors)}\n")
        if self.odd(0.1):
            lines.insert(
                self.random.randint(0, len(lines)), self.random.choice(["\n", "# note\n", " " * indent + "# é: 1\n"])
            )
        return "".join(lines)

    def value(self, indent: int, depth: int) -> str:
        roll = self.random.random()
        anchor = self.anchor()
        if depth < 3 and roll < 0.25:
            return f" {anchor}\n" + self.mapping(indent + 2, depth + 1)
        if depth < 3 and roll < 0.35:
            return f" {anchor}\n" + self.sequence(indent + self.random.choice([0, 2]), depth + 1)
        if roll < 0.45:
            return f" {anchor}{self.flow(0)}\n"
        if roll < 0.5 and self.odd(0.5):
            return f" {anchor}" + self.block(indent)
        if self.anchors and not anchor and self.odd(0.1):
            return f" *{self.random.choice(self.anchors)}\n"
        if roll > 0.97:
            return "\n" if not anchor else f" {anchor}\n"
        return f" {anchor}{self.scalar()}{'  # why' if self.odd(0.05) else ''}\n"

    def sequence(self, indent: int, depth: int) -> str:
        items = []
        for _ in range(self.random.randint(1, 3)):
            if depth < 3 and self.random.random() < 0.3:
                inner = self.mapping(indent + 2, depth + 1)
                items.append(
                    " " * indent + "- " + inner[indent + 2 :]
                    if inner.startswith(" " * (indent + 2))
                    else " " * indent + "-\n" + inner
                )
            else:
                items.append(" " * indent + "- " + self.scalar() + "\n")
        return "".join(items)

    def flow(self, depth: int) -> str:
        roll = self.random.random()
        if depth > 2 or roll < 0.4:
            return self.scalar()
        count = self.random.randint(0, 3)
        if roll < 0.7:
            return "[" + ", ".join(self.flow(depth + 1) for _ in range(count)) + "]"
        return "{" + ", ".join(f"{self.key()}: {self.flow(depth + 1)}" for _ in range(count)) + "}"

    def block(self, indent: int) -> str:
        head = self.random.choice(["|", ">", "|-", ">+", "|2", ">-", "|+"])
        text = [
            " " * (indent + 2) + self.random.choice(["one", "two: 3", "# no comment", "", "  deeper", "- x"])
            for _ in range(3)
        ]
        return head + "\n" + "\n".join(text) + "\n"


def spoil(text: str, dice: random.Random) -> bytes:
    """Return `text` as bytes with one thing done to it that editors, people or copying do."""
    data = text.encode()
    ways = [
        "bom",
        "crlf",
        "cr",
        "tab",
        "cut",
        "delete",
        "insert",
        "trailing",
        "documents",
        "duplicate",
        "utf16",
        "start",
        "latin1",
        "space",
    ]
    way = dice.choice(ways)
    at = dice.randrange(len(data) + 1)
    if way == "bom":
        return b"\xef\xbb\xbf" + data
    if way == "crlf":
        return data.replace(b"\n", b"\r\n")
    if way == "cr":
        return data.replace(b"\n", b"\r")
    if way == "tab":
        return data.replace(b" ", b"\t", dice.randint(1, 3)) if dice.random() < 0.5 else data[:at] + b"\t" + data[at:]
    if way == "cut":
        return data[:at]
    if way == "delete":
        return data[:at] + data[at + dice.randint(1, 4) :]
    if way == "insert":
        odd = dice.choice(
            [
                b":",
                b"-",
                b"#",
                b"[",
                b"]",
                b"{",
                b"}",
                b",",
                b"&x",
                b"*x",
                b"!",
                b"|",
                b">",
                b"'",
                b'"',
                b"%",
                b"@",
                b"\0",
                b"\x07",
                "é".encode(),
                b"\n",
                b" ",
                b"? ",
                b"\xff",
                "\u2028".encode(),
                "\x85".encode(),
                "\ufeff".encode(),
            ]
        )
        return data[:at] + odd + data[at:]
    if way == "trailing":
        return data + dice.choice(
            [b"...\n", b"---\n", b"---\n# end\n", b"...\n---\n", b"\t\n", b"  ", b"--- x\n", b"...\nx\n"]
        )
    if way == "documents":
        return data + b"---\n" + dice.choice([b"", b"a: 2\n", b"[", b"z: {y: 1}\n", data])
    if way == "duplicate":
        return data + data
    if way == "utf16":
        return text.encode("utf-16")
    if way == "start":
        return (
            dice.choice(
                [
                    b"---\n",
                    b"--- ",
                    b"%YAML 1.1\n---\n",
                    b"%YAML 1.2\n---\n",
                    b"%FOO\n---\n",
                    b"\n\n",
                    b"# c\n---\n",
                    b"--- !!map\n",
                    b"--- # c\n",
                    b"%TAG ! x:\n---\n",
                ]
            )
            + data
        )
    if way == "latin1":
        return data + b"z: caf\xe9\n"
    return b" " + data
