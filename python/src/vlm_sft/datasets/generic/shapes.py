r"""A row of somebody's own data -> Conversation, whatever common shape it has; every row is looked at on its own.

    {"messages": [{"role": "user", "content": "<image>\nWhat is it?"}, {"role": "assistant", "content": "A cup."}],
     "images": ["cup.jpg"]}
    {"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
    {"conversation": [{"human": "...", "assistant": "..."}]}
    {"prompt": "...", "completion": "..."}                          and its aliases, see PROMPTS and COMPLETIONS
    {"instruction": "...", "input": "...", "output": "..."}
    {"prompt": "...", "chosen": "...", "rejected": "..."}           trains on the chosen answer
    {"text": "..."}                                                 trains on the whole text

`history`, [["question", "answer"], ...], has the rounds before a prompt.
Images: `images` or `image`, see image_field.py; or parts of a content list.
Texts keep their <image> tags if there is one for each image. Without any tag, the images come first.

A field is empty if it is null, NaN, "" or nan. The messages may be the text of a list, as in CSV.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from vlm_sft.datasets.alpaca.rows import parse as parse_alpaca
from vlm_sft.datasets.conversation import Conversation, Drop, Image, Turn, id_of
from vlm_sft.datasets.generic.beside import earlier, unread
from vlm_sft.datasets.image_field import images_of
from vlm_sft.datasets.list_text import list_of
from vlm_sft.datasets.texts import IMAGE_TAG, MISSING, given

USER, ASSISTANT, SYSTEM, TOOL = "user", "assistant", "system", "tool"
ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), USER),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "model"), ASSISTANT),
    "system": SYSTEM,
    **dict.fromkeys(("tool", "tool_call", "tool_response", "function", "function_call", "observation"), TOOL),
}
TALKS = ("messages", "conversations", "conversation")
PROMPTS = ("prompt", "query", "question", "problem", "input", "instruction")
COMPLETIONS = ("completion", "response", "answer", "output", "target", "solution")
FIELDS = (*TALKS, *PROMPTS, *COMPLETIONS, "chosen", "text", "images", "image", "history", "system", "system_prompt")
SOURCE = "rows"
MAX_SOURCE = 60  # characters; a longer field named source is a text of another kind


@dataclass(slots=True)
class _Talk:
    """Messages in order, with the images that their contents hold."""

    system: str = ""
    roles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    trained: list[bool] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)

    def add(self, role: str, text: str, *, trained: bool = True) -> None:
        if role == SYSTEM and not self.roles:
            self.system = text
            return
        self.roles.append(role)
        self.texts.append(text)
        self.trained.append(trained)

    def begin_with(self, rounds: Sequence[str]) -> None:
        """Put the texts of earlier rounds, question and answer in turn, before all messages."""
        self.roles[:0] = [USER, ASSISTANT] * (len(rounds) // 2)
        self.texts[:0] = rounds
        self.trained[:0] = [True] * len(rounds)


def parse(row: object) -> Conversation | Drop:
    """Read one row of any shape. Never raises, whatever JSON value the row is."""
    if not isinstance(row, dict):
        return Drop("row_not_an_object", type(row).__name__)
    fields = {name: value for name, value in row.items() if not _is_empty(value)}
    if drop := unread(fields):
        return drop
    field = _first(fields, ("images", "image"))
    images = images_of(field)
    if images is None:
        return Drop("image_malformed", f"images is {_kind(field)}")
    talk = _talk(row, fields)
    if isinstance(talk, Drop):
        return talk
    if "history" in fields and _first(fields, TALKS) is None:
        rounds = earlier(fields["history"])
        if isinstance(rounds, Drop):
            return rounds
        talk.begin_with(rounds)
    talk.images = talk.images or list(images)
    if not talk.system:
        talk.system = (given(fields.get("system")) or given(fields.get("system_prompt"))).strip()
    return _conversation(row, talk)


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return not text or text in MISSING
    return value is None or (isinstance(value, float) and isnan(value))


def _first(fields: Mapping[str, object], names: Sequence[str]) -> object:
    """Return the first field that one of `names` has, else None."""
    for name in names:
        if name in fields:
            return fields[name]
    return None


def _talk(row: Mapping[str, object], fields: Mapping[str, object]) -> _Talk | Drop:
    """Read the messages of whichever shape the row has; `fields` are those of the row that are not empty."""
    if (messages := _first(fields, TALKS)) is not None:
        return _messages(messages)
    prompt, completion, text = _first(fields, PROMPTS), _first(fields, COMPLETIONS), fields.get("text")
    if "chosen" in fields:
        return _preferred(prompt, fields["chosen"])
    if "instruction" in fields and "output" in row:
        found = parse_alpaca(row)
        return found if isinstance(found, Drop) else _pair(found.question, found.turns[0].answer)
    if isinstance(text, str) and (prompt is None or completion is None):
        if prompt is None and completion is None:
            talk = _Talk()
            talk.add(ASSISTANT, text.strip())
            return talk
        return Drop("shape_unknown", f"text beside {', '.join(name for name in row if name in PROMPTS + COMPLETIONS)}")
    if completion is None and (prompt is None or not any(name in row for name in COMPLETIONS)):
        return Drop("shape_unknown", "keys: " + ", ".join(map(str, row))[:100])
    if prompt is None:
        missing = any(name in row for name in PROMPTS)
        return Drop("no_question") if missing else Drop("shape_unknown", "keys: " + ", ".join(map(str, row))[:100])
    return _answered(prompt, "" if completion is None else completion)


def _answered(prompt: object, completion: object) -> _Talk | Drop:
    """Read a prompt and its completion: texts, or lists of messages."""
    if isinstance(prompt, list):
        talk = _messages(prompt)
        if isinstance(talk, Drop) or isinstance(completion, list):
            return talk if isinstance(talk, Drop) else _messages(completion, talk)
        talk.add(ASSISTANT, given(completion).strip())
        return talk
    if not isinstance(prompt, str) or not isinstance(completion, str):
        return Drop("turn_malformed", f"prompt is {_kind(prompt)}, completion is {_kind(completion)}")
    return _pair(prompt.strip(), given(completion).strip())


def _pair(question: str, answer: str) -> _Talk:
    return _Talk(roles=[USER, ASSISTANT], texts=[question, answer], trained=[True, True])


def _preferred(prompt: object, chosen: object) -> _Talk | Drop:
    """Read the chosen answer of a pair: it has the whole dialogue, or answers the prompt."""
    if prompt is not None and not (isinstance(chosen, list) and len(chosen) > 1):
        return _answered(prompt, _only_text(chosen))
    return _messages(chosen)


def _only_text(chosen: object) -> object:
    """Return the text of a list with one message; anything else as it is."""
    if isinstance(chosen, list) and len(chosen) == 1 and isinstance(chosen[0], dict):
        return chosen[0].get("content", chosen[0].get("value"))
    return chosen


def _messages(entries: object, talk: _Talk | None = None) -> _Talk | Drop:
    """Read a list of messages, or the text of one, into `talk`."""
    talk = talk or _Talk()
    if isinstance(entries, str):
        entries = list_of(entries)
        if entries is None:
            return Drop("turn_malformed", "the messages are a text that is not a JSON list")
    if not isinstance(entries, list) or not entries:
        return Drop("no_answers")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return Drop("turn_malformed", f"entry {number} is {_kind(entry)}")
        for role, content, trained in _said(entry):
            text = _content(content, talk.images)
            if text is None or role is None:
                return Drop("turn_malformed", f"entry {number} is {_kind(entry)}")
            if role == TOOL:
                return Drop("tool_turn", f"entry {number}")
            if entry.get("loss_scale") not in (None, 0, 1):
                return Drop("column_unread", f"loss_scale of entry {number}")
            talk.add(role, text.strip(), trained=trained)
    return talk


def _said(entry: Mapping[str, object]) -> Iterator[tuple[str | None, object, bool]]:
    """Yield role, content and whether it is trained on; a pair of ShareGPT's older form has two."""
    named = entry.get("role") or entry.get("from")
    if named is None and "human" in entry:
        yield USER, entry["human"], True
        yield ASSISTANT, entry.get("assistant", entry.get("gpt")), True
        return
    role = ROLES.get(named.lower()) if isinstance(named, str) else None
    if entry.get("tool_calls"):
        role = TOOL
    excluded = entry.get("loss") is False or 0 in (entry.get("weight"), entry.get("loss_scale"))  # 0 equals False
    yield role, entry["content"] if "content" in entry else entry.get("value"), not excluded


def _content(content: object, images: list[Image]) -> str | None:
    """Return a message's text, with a tag for each of its images, which are added to `images`; None if it has none."""
    if isinstance(content, str):
        return given(content)
    if not isinstance(content, list):
        return None
    texts = []
    for part in content:
        if not isinstance(part, dict):
            return None
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("image", "image_url"):
            texts.append(IMAGE_TAG)
            named = part.get("image") or part.get("image_url") or part.get("url") or part.get("path")
            found = images_of(named)
            if found is None:
                return None
            images += found
        else:
            return None
    return "".join(texts)


def _conversation(row: Mapping[str, object], talk: _Talk) -> Conversation | Drop:
    roles, texts = talk.roles, talk.texts
    if ASSISTANT not in roles:
        return Drop("no_answers")
    if roles == [ASSISTANT]:  # a text that is trained on as a whole
        roles, texts = [USER, ASSISTANT], ["", *texts]
        talk.trained = [True, *talk.trained]
    elif roles != ([USER, ASSISTANT] * len(roles))[: len(roles)]:
        return Drop("roles_do_not_alternate", " ".join(roles)[:80])
    elif not texts[0].replace(IMAGE_TAG, "").strip():
        return Drop("no_question")
    tags = "\n".join(texts).count(IMAGE_TAG)
    if tags and tags != len(talk.images):
        return Drop("image_tags_differ", f"{tags} image tags, {len(talk.images)} images")
    answers, replies = texts[1::2], [*texts[2::2], ""]
    turns = []
    for number, answer in enumerate(answers):
        if not answer:
            return Drop("empty_answer", f"answer {number + 1}")
        if number + 1 < len(answers) and not replies[number]:
            return Drop("empty_feedback", f"user message {number + 2}")
        turns.append(Turn(answer, replies[number], trained=talk.trained[2 * number + 1]))
    return Conversation(
        id_of(row), _source(row), tuple(talk.images), texts[0], tuple(turns), talk.system, tags_in_text=tags > 0
    )


def _source(row: Mapping[str, object]) -> str:
    source = row.get("source")
    return source.strip() or SOURCE if isinstance(source, str) and len(source) <= MAX_SOURCE else SOURCE


def _kind(value: object) -> str:
    """Describe a value without repr, which fails on deep nesting."""
    return f"an object with {', '.join(map(str, value))}"[:80] if isinstance(value, dict) else type(value).__name__
