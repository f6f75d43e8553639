r"""OpenAssistant messages -> conversations, one for each path of a tree that ends with an answer.

    {"message_id": "m-2", "parent_id": "m-1", "text": "Water boils at ...", "role": "assistant", "lang": "en",
     "review_result": true, "deleted": false, "rank": 0, "message_tree_id": "m-1", ...}

A message is a row. `rank` orders the answers to one prompt, 0 first; null is unranked and comes last. Prompts have no
rank: the order in the file decides. The rows of a tree may come in any order; parents are found by `message_id`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from vlm_sft.datasets.conversation import JOINED, LARGEST_ID, Conversation, Drop, Outcome, Turn
from vlm_sft.datasets.dataset import Adapter
from vlm_sft.datasets.texts import given

PROMPTER, ASSISTANT = "prompter", "assistant"


def adapter(threads: str = "best", languages: Sequence[str] = (), *, unreviewed: bool = False) -> Adapter:
    """Return the adapter for the options of the same names."""

    def parse_tree(rows: Sequence[object]) -> Sequence[Outcome]:
        read = [_message(row, languages, needs_review=not unreviewed) for row in rows]
        return _outcomes(read, best=threads == "best")

    return Adapter(key=_tree_of, parse_group=parse_tree)


def _tree_of(row: object) -> str | None:
    tree = row.get("message_tree_id") if isinstance(row, dict) else None
    return tree if isinstance(tree, str) else None


@dataclass(frozen=True, slots=True)
class _Message:
    name: str
    parent: object  # name of the message before it; None: the first of its tree
    role: str
    text: str
    language: str
    rank: float


@dataclass(frozen=True, slots=True)
class _Unusable:
    name: str  # empty: it has none
    drop: Drop


Children = Mapping[object, Sequence[_Message]]  # name of a message -> messages after it, best first


def _message(row: object, languages: Sequence[str], *, needs_review: bool) -> _Message | _Unusable:
    if not isinstance(row, dict):
        return _Unusable("", Drop("row_not_an_object", type(row).__name__))
    name, role, language = row.get("message_id"), row.get("role"), row.get("lang")
    if not isinstance(name, str) or role not in (PROMPTER, ASSISTANT):
        return _Unusable("", Drop("turn_malformed", f"role is {_shown(role)}, message_id is {_shown(name)}"))
    if languages and language not in languages:
        return _Unusable(name, Drop("language_not_selected", _shown(language)))
    if row.get("deleted"):
        return _Unusable(name, Drop("message_deleted", name))
    if needs_review and row.get("review_result") is not True:
        return _Unusable(name, Drop("message_not_reviewed", name))
    text, rank = given(row.get("text")).strip(), row.get("rank")
    if not text:
        return _Unusable(name, Drop("empty_answer" if role == ASSISTANT else "no_question", name))
    place = rank if isinstance(rank, int | float) and abs(rank) < LARGEST_ID else inf
    return _Message(name, row.get("parent_id"), role, text, language if isinstance(language, str) else "", place)


def _shown(value: object) -> str:
    return value[:40] if isinstance(value, str) else type(value).__name__


def _outcomes(read: Sequence[_Message | _Unusable], *, best: bool) -> Sequence[Outcome]:
    """Return what becomes of each message of a tree."""
    messages: dict[str, _Message] = {}
    for one in read:
        if isinstance(one, _Message):
            messages.setdefault(one.name, one)
    after = _children(messages)
    roots = [message for message in after.get(None, ()) if message.role == PROMPTER]
    becomes: dict[str, Outcome] = {}
    for root in roots:
        for path in _paths(root, after, best=best):
            becomes |= {message.name: JOINED for message in path[:-1]}
            becomes[path[-1].name] = _conversation(path)
    in_tree = _names_below(roots, after)
    below_dropped = _names_below(
        (_Message(one.name, "", "", "", "", 0) for one in read if isinstance(one, _Unusable) and one.name), after
    )
    outcomes: list[Outcome] = []
    for one in read:
        if isinstance(one, _Unusable):
            outcomes.append(one.drop)
        elif one is not messages[one.name]:
            outcomes.append(Drop("message_repeated", one.name))
        elif one.name in becomes:
            outcomes.append(becomes[one.name])
        elif one.name in in_tree:
            unanswered = one.role == PROMPTER and not after.get(one.name)
            outcomes.append(Drop("prompt_unanswered" if unanswered else "answer_not_best", one.name))
        else:
            reason = "message_below_dropped" if one.name in below_dropped else "message_without_parent"
            outcomes.append(Drop(reason, one.name))
    return outcomes


def _children(messages: Mapping[str, _Message]) -> Children:
    """Return the messages after each, which have the other role; equal ranks stay in the order of the file."""
    after: defaultdict[object, list[_Message]] = defaultdict(list)
    for message in sorted(messages.values(), key=lambda message: message.rank):
        above = messages.get(message.parent) if isinstance(message.parent, str) else None
        if above is None or above.role != message.role:
            after[message.parent if isinstance(message.parent, str | None) else ""].append(message)
    return after


def _names_below(start: Iterable[_Message], after: Children) -> set[str]:
    """Return the names of the messages of `start` and of all after them; ends on cycles too."""
    names, waiting = set[str](), list(start)
    while waiting:
        message = waiting.pop()
        if message.name not in names:
            names.add(message.name)
            waiting += after.get(message.name, ())
    return names


def _paths(root: _Message, after: Children, *, best: bool) -> Iterator[list[_Message]]:
    """Yield the paths from `root` that end with an answer to which no answered prompt replies.

    Best: one path, by the best answer to each prompt, and then the first prompt that has an answer. A tree has no
    cycle that is reached from its root, because every message has one parent.
    """
    waiting = [[root]]
    while waiting:
        path = waiting.pop()
        answers = after.get(path[-1].name, ())
        longer = []
        for answer in answers[:1] if best else answers:
            replies = [reply for reply in after.get(answer.name, ()) if after.get(reply.name)]
            if not replies:
                yield [*path, answer]
            longer += [[*path, answer, reply] for reply in (replies[:1] if best else replies)]
        waiting += reversed(longer)


def _conversation(path: Sequence[_Message]) -> Conversation:
    """Turn a path that ends with an answer into a conversation; its id is that of the answer."""
    answers, replies = path[1::2], [reply.text for reply in path[2::2]]
    turns = tuple(Turn(answer.text, reply) for answer, reply in zip(answers, [*replies, ""], strict=True))
    return Conversation(path[-1].name, path[0].language or "unknown", (), path[0].text, turns)
