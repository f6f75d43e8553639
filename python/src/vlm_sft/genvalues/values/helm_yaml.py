"""A values file read as Helm reads it: places kept, and refused where Helm 3 or Helm 4 would refuse it.

Helm 3.18 takes the first YAML document of a file and never looks at the rest; Helm 4 cuts the file at its `---` lines
and merges the pieces. A file on which the two disagree is an error here, because nobody can know which one will run it.
"""

from dataclasses import dataclass
from pathlib import Path

from vlm_sft.genvalues.rules.problem import Problem
from vlm_sft.genvalues.values.merge import merge_files
from vlm_sft.genvalues.values.node import Node, Origin
from vlm_sft.genvalues.values.yaml_decode import Decoder, RepeatedKey
from vlm_sft.genvalues.values.yaml_tree import YamlError, first_document

_SEPARATOR = b"---"


@dataclass(frozen=True)
class ValuesFile:
    """A file's values; `root` is a mapping node."""

    path: str
    root: Node
    repeated: list[RepeatedKey]


def read_values_file(path: Path | str) -> ValuesFile | Problem:
    """Read `path`; what is wrong with it comes back as a Problem, never as an exception."""
    name = str(path)
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError:
        return Problem(name, 0, 0, "", "is a directory; give a values file", rule="file")
    except FileNotFoundError:
        return Problem(name, 0, 0, "", "no such file", rule="file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Problem(name, 0, 0, "", f"cannot be read: {reason.lower()}", rule="file")
    return parse_values(content, name)


def parse_values(content: bytes, name: str) -> ValuesFile | Problem:
    """Parse the bytes of a values file called `name` in messages."""
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise YamlError("is UTF-16, which Helm 4 cannot read; save it as UTF-8")
        root, repeated = _read_document(content, name, 0)
        open_end = not content.endswith(b"\n") and (b"|" in content or b">" in content)
        if _SEPARATOR in content or open_end:
            _check_pieces(content, name, root)
    except YamlError as error:
        return Problem(name, error.line, error.column, "", str(error), rule="yaml")
    return ValuesFile(name, root, repeated)


def _read_document(content: bytes, name: str, line_offset: int) -> tuple[Node, list[RepeatedKey]]:
    try:
        raw = first_document(content)
    except YamlError as error:
        raise YamlError(str(error), error.line + line_offset, error.column) from None
    if raw is None:
        return Node({}, Origin(name, 1, 1)), []
    decoder = Decoder(name, line_offset)
    root = decoder.document(raw)
    if root.value is None:
        root.value = {}
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else f"{root.value!r}"
        raise YamlError(f"holds {kind}, need a mapping of `key: value`", root.origin.line, root.origin.column)
    return root, decoder.repeated


def _pieces(content: bytes) -> list[tuple[int, bytes]]:
    """Cut at `---` lines as Helm 4 does: (lines before the piece, its text); raises YamlError at `--- text`."""
    pieces: list[tuple[int, bytes]] = []
    current: list[bytes] = []
    start = 0
    text = content if content.endswith(b"\n") else content + b"\n"  # Helm 4 ends every line
    for number, line in enumerate(text.split(b"\n")):
        if line.startswith(_SEPARATOR):
            rest = line[len(_SEPARATOR) :].strip()
            if rest and not rest.startswith(b"#"):
                raise YamlError("Helm 4 allows nothing but a comment on a line that starts with ---", number + 1)
            if current:
                pieces.append((start, b"\n".join(current) + b"\n"))
                current, start = [], number + 1
                continue
        current.append(line)
    pieces.append((start, b"\n".join(current)))
    return pieces


def _check_pieces(content: bytes, name: str, first: Node) -> None:
    """Raise YamlError unless Helm 4, which merges all documents, reads what Helm 3 reads from the first."""
    merged = Node({}, Origin(name, 1, 1))
    pieces = _pieces(content)
    for offset, piece in pieces:
        try:
            merged = merge_files(merged, _read_document(piece, name, offset)[0])
        except YamlError as error:
            message = f"Helm 4 reads every document of a file: {error}; keep one"
            raise YamlError(message, error.line, error.column) from None
    if merged.plain() != first.plain():
        if len(pieces) == 1:
            raise YamlError("Helm 3 and Helm 4 read the last line differently; end the file with a newline")
        message = "holds several documents: Helm 3 reads the first, Helm 4 merges all; keep one"
        raise YamlError(message, pieces[1][0])
