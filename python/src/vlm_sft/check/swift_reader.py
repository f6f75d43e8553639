"""How ms-swift reads a row of a file: the columns of the file choose one preprocessor, which reads every row.

Follows swift/dataset/preprocessor and StdTemplateInputs of ms-swift 4.6. A row that these drop raises RowProblem.
"""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]

MESSAGES = ("messages", "conversation", "conversations")
QUERY = ("query", "prompt", "input", "instruction", "question", "problem")
RESPONSE = (
    *("response", "answer", "output", "targets", "target", "answer_key", "answers", "solution"),
    *("text", "completion", "content"),
)
MEDIA = {"images": ("images", "image"), "videos": ("videos", "video"), "audios": ("audios", "audio")}
SYSTEM = {"system": ("system", "system_prompt")}
OTHERS = ("history", "objects", "rejected_response", "rejected_messages", "rejected_images", "tools", "chosen")
KNOWN = frozenset(
    (*MESSAGES, *QUERY, *RESPONSE, *OTHERS, *SYSTEM["system"], *(n for names in MEDIA.values() for n in names))
)

# Columns that ms-swift keeps beside those of the meanings above.
KEPT = (
    *("objects", "tools", "solution", "label", "channel", "margin", "teacher_prompt", "chat_template_kwargs"),
    *("rejected_response", "rejected_messages", "rejected_images"),
)

ROLES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot"), "assistant"),
    **dict.fromkeys(("tool_call", "function_call", "function-call"), "tool_call"),
    **dict.fromkeys(("tool", "tool_response", "function_response", "function-response"), "tool"),
    **dict.fromkeys(("observation", "observations"), "tool"),
    "system": "system",
}


class RowProblem(Exception):  # noqa: N818  a finding, not an error of this program
    """A row that ms-swift drops: the kind of finding, the field, and what it holds."""

    def __init__(self, kind: str, field: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind, self.field, self.detail = kind, field, detail


class Message(NamedTuple):
    """One message as the template gets it."""

    role: str  # a value of ROLES
    text: str
    field: str
    loss: Any = None
    loss_scale: Any = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A row as ms-swift reads it. `images`, `videos` and `audios` as written, in the columns and in the content."""

    messages: Sequence[Message]
    images: Sequence[Any]
    videos: Sequence[Any]
    audios: Sequence[Any]
    objects: Row | None


@dataclass(frozen=True)
class Plan:
    """Which preprocessor reads the file, and which column becomes what."""

    reader: Literal["messages", "alpaca", "response"]
    columns: Mapping[str, str]  # what ms-swift reads -> the column
    ignored: Mapping[str, str]  # column that is not read -> the one of the same meaning
    all_columns: frozenset[str]

    @property
    def read_columns(self) -> frozenset[str]:
        """Return the columns that ms-swift reads or keeps."""
        own = ("instruction", "input") if self.reader == "alpaca" else ()
        history = () if self.reader == "messages" else ("history",)
        return frozenset((*self.columns.values(), *own, *history, *KEPT))


def plan_of(names: Iterable[str]) -> Plan:
    """Choose as ms-swift's AutoPreprocessor does, from the columns of the first 10 MB."""
    present = list(names)
    reader: Literal["messages", "alpaca", "response"] = "response"
    if any(name in present for name in MESSAGES):
        reader = "messages"
    elif "instruction" in present and "input" in present:
        reader = "alpaca"
    meanings: dict[str, tuple[str, ...]] = {**MEDIA, **SYSTEM}
    meanings |= {"messages": MESSAGES} if reader == "messages" else {"query": QUERY, "response": RESPONSE}
    columns: dict[str, str] = {}
    ignored: dict[str, str] = {}
    for meaning, aliases in meanings.items():
        found = list({name.lower(): name for name in present if name.lower() in aliases}.values())
        if reader == "alpaca" and meaning in ("query", "response"):  # it reads these columns itself
            columns[meaning] = "output" if meaning == "response" and "output" in present else meaning
        elif len(found) == 1 or meaning in found:
            columns[meaning] = meaning if meaning in found else found[0]
            ignored |= {name: columns[meaning] for name in found if name != columns[meaning]}
        else:
            ignored |= {name: next(other for other in found if other != name) for name in found}
    return Plan(reader, columns, ignored, frozenset(present))


def read(plan: Plan, row: Row) -> Reading:
    """Return the row as the template gets it.

    Raises:
        RowProblem: ms-swift drops the row.
    """
    entries = _of_messages(plan, row) if plan.reader == "messages" else _of_columns(plan, row)
    _check_objects(plan, row)
    media = {name: _listed(row.get(plan.columns.get(name, ""))) for name in MEDIA}
    in_content: dict[str, list[Any]] = {name: [] for name in MEDIA}
    messages = [entry._replace(text=_text_of(entry, in_content)) for entry in entries]
    for name, found in in_content.items():
        if found and media[name]:
            raise RowProblem("images_twice", plan.columns[name], f"{len(found)} {name} in the content too")
        media[name] += found
    _check_rejected(plan, row, messages)
    return Reading(messages, **media, objects=row.get("objects"))


def _of_messages(plan: Plan, row: Row) -> list[Message]:
    column = plan.columns.get("messages")
    if column is None:
        raise RowProblem("column_conflict", next(iter(plan.ignored)), "conversation and conversations: neither is read")
    value = _repaired(row.get(column), column)
    if not value or isinstance(value, str):
        other = [name for name in row if name in KNOWN and name not in MEDIA and name != column and row[name]]
        kind = "other_shape" if other else "no_messages"
        raise RowProblem(kind, ", ".join(other) or column, f"{column} is {_shown(row.get(column))}")
    if not isinstance(value, list):
        raise RowProblem("message_malformed", column, _shown(value))
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise RowProblem("message_malformed", f"{column}[{number}]", _shown(entry))
    if any(entry.get("tool_calls") for entry in value) or any(_is_anthropic(entry) for entry in value):
        return _tool_messages(value, column)
    system = row.get(plan.columns.get("system", ""))
    if value[0].keys().isdisjoint(("role", "from", "content", "value")):
        return _pairs(value, column, system)
    messages = [_message(entry, f"{column}[{number}]") for number, entry in enumerate(value)]
    if system is not None and messages[0].role != "system":
        messages.insert(0, Message("system", system, plan.columns["system"]))
    return messages


def _repaired(value: object, column: str) -> Any:  # noqa: ANN401  any JSON value
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise RowProblem("messages_unreadable", column, _shown(value)) from None


def _message(entry: dict[str, Any], field: str) -> Message:
    role = entry["from"] if "from" in entry else entry.get("role")
    content = entry["value"] if "value" in entry else entry.get("content")
    if not isinstance(role, str):
        raise RowProblem("message_malformed", f"{field}.role", _shown(role))
    if role not in ROLES:
        raise RowProblem("unknown_role", f"{field}.role", _shown(role))
    if content is None:
        raise RowProblem("content_missing", f"{field}.content", role)
    return Message(ROLES[role], content, f"{field}.content", entry.get("loss"), entry.get("loss_scale"))


def _pairs(entries: Sequence[dict[str, Any]], column: str, system: Any) -> list[Message]:  # noqa: ANN401
    messages = [] if system is None else [Message("system", system, "system")]
    for number, entry in enumerate(entries):
        for role, aliases in (("user", ("user", "human")), ("assistant", ("assistant", "gpt", "bot"))):
            field = f"{column}[{number}]"
            name = next((alias for alias in reversed(aliases) if alias in entry), None)
            if name is None:
                raise RowProblem("message_malformed", field, f"no {role} among {', '.join(map(str, entry))[:60]}")
            if entry[name] is None:
                raise RowProblem("content_missing", f"{field}.{name}", role)
            messages.append(Message(role, entry[name], f"{field}.{name}"))
    return messages


def _is_anthropic(entry: dict[str, Any]) -> bool:
    content = entry.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return any(
        part.get("type") in ("tool_use", "tool_result") or (part.get("type") == "image" and "source" in part)
        for part in parts
    )


def _tool_messages(entries: Sequence[dict[str, Any]], column: str) -> list[Message]:
    """Calls of tools in OpenAI's or Anthropic's form: only their texts and roles are looked at."""
    messages = []
    for number, entry in enumerate(entries):
        role, content = ROLES.get(str(entry.get("role")), ""), entry.get("content")
        if not role:
            raise RowProblem("unknown_role", f"{column}[{number}].role", _shown(entry.get("role")))
        text = content if isinstance(content, str) else json.dumps([content, entry.get("tool_calls")])
        messages.append(Message(role, text, f"{column}[{number}].content"))
    return messages


def _of_columns(plan: Plan, row: Row) -> list[Message]:
    response = row.get(plan.columns.get("response", ""))
    if isinstance(response, list):
        if not response:
            raise RowProblem("history_malformed", plan.columns["response"], "an empty list of answers")
        response = response[0]
    query_column = plan.columns.get("query", "")
    query = row.get(query_column)
    if plan.reader == "alpaca":
        query_column, query = "instruction", _instruction(row.get("instruction"), row.get("input"))
    messages = []
    if (system := row.get(plan.columns.get("system", ""))) is not None:
        messages.append(Message("system", system, plan.columns["system"]))
    for number, (asked, answered) in enumerate(_history(row.get("history"))):
        messages += [
            Message(role, text, f"history[{number}]")
            for role, text in (("user", asked), ("assistant", answered))
            if text is not None
        ]
    if query is not None:
        messages.append(Message("user", query, query_column))
    if response is not None:
        messages.append(Message("assistant", response, plan.columns["response"]))
    if not messages:
        other = [name for name in row if name in KNOWN and name not in plan.read_columns and row[name]]
        raise RowProblem("other_shape" if other else "no_messages", ", ".join(other), f"columns {', '.join(row)[:60]}")
    return messages


def _instruction(instruction: Any, given: Any) -> str:  # noqa: ANN401  any JSON value
    query = f"{instruction}\n{given}" if instruction and given else instruction or given
    if not isinstance(query, str):
        raise RowProblem("no_instruction", "instruction", f"instruction {_shown(instruction)}, input {_shown(given)}")
    return query


def _history(value: Any) -> list[Sequence[Any]]:  # noqa: ANN401  any JSON value
    if isinstance(value, str) and value:
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            raise RowProblem("history_malformed", "history", _shown(value)) from None
    pairs = value or []
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) > 1 for pair in pairs):
        raise RowProblem("history_malformed", "history", _shown(value))
    return [pair[:2] for pair in pairs]


def _text_of(message: Message, media: dict[str, list[Any]]) -> str:
    """Return a message's text; adds the images, videos and audios of its content parts to `media`."""
    content: Any = message.text
    if isinstance(content, str):
        return content
    if message.role in ("tool", "tool_call"):
        return json.dumps(content)
    if not isinstance(content, list) or message.role == "system":
        raise RowProblem("content_not_text", message.field, _shown(content))
    if content and isinstance(content[0], int):
        return ""  # token ids
    return "".join(_part(part, f"{message.field}[{number}]", media) for number, part in enumerate(content))


def _part(part: Any, field: str, media: dict[str, list[Any]]) -> str:  # noqa: ANN401  any JSON value
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise RowProblem("content_not_text", field, _shown(part))
    value = part.get(kind)
    if kind == "text":
        if not isinstance(value, str):
            raise RowProblem("content_not_text", field, _shown(part))
        return value
    kind = kind.removesuffix("_url")
    if isinstance(value, dict):
        value = value.get("url")
    if value:
        if f"{kind}s" not in media:
            raise RowProblem("content_not_text", field, _shown(part))
        media[f"{kind}s"].append(value)
    return f"<{kind}>"


def _check_objects(plan: Plan, row: Row) -> None:
    if "objects" not in plan.all_columns or (objects := row.get("objects")) is None:
        return
    boxes = objects.get("bbox") if isinstance(objects, dict) else None
    if not isinstance(boxes, list) or not all(isinstance(box, list) and len(box) in (2, 4) for box in boxes):
        raise RowProblem("objects_malformed", "objects", _shown(objects))
    if not all(isinstance(value, int | float) for box in boxes for value in box):
        raise RowProblem("objects_malformed", "objects.bbox", _shown(boxes))


def _check_rejected(plan: Plan, row: Row, messages: Sequence[Message]) -> None:
    if "rejected_response" not in plan.all_columns:
        return
    rejected = row.get("rejected_response")
    entries = rejected if isinstance(rejected, list) else [{"role": "assistant"}]
    is_answer = isinstance(rejected, str | list) and all(
        isinstance(entry, dict) and entry.get("role") not in (None, "user") for entry in entries
    )
    if not is_answer or (messages and rejected == messages[-1].text):
        raise RowProblem("rejected_malformed", "rejected_response", _shown(rejected))


def _listed(value: Any) -> list[Any]:  # noqa: ANN401  any JSON value
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _shown(value: object) -> str:
    """Return the beginning of a value."""
    text = repr(value[:3] if isinstance(value, list) else value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
