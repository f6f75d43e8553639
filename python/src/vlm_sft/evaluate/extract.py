r"""What a response answers: pure rules on its text. Nothing is guessed: a text without an answer gives None.

<think>Maybe \boxed{A}?</think> The answer is (B).      -> B
Based on the picture, it moves down.                    -> no letter
"""

import re
from collections.abc import Mapping

MAX_MARKERS, MAX_SPAN = 20, 400  # [characters] of a span: an answer is short
_OPEN, _CLOSE = re.compile(r"<think>", re.IGNORECASE), re.compile(r"</think>", re.IGNORECASE)
_BOX = re.compile(r"\\boxed\s*\{|\\fbox\s*\{")
_MARKER = re.compile(
    r"(?:(?:final|correct)\s+answer|correct\s+choice|answer)\s*(?:\bis\b\s*[:\uff1a]?|[:\uff1a])", re.IGNORECASE
)
_CHOICE = re.compile(r"^\s*\(?([A-Z])[.):]\s*(.*\S)\s*$")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # a backslash belongs to the next character
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm)\s*\{([^{}]*)\}")
_DECORATION = "*_`\"'\u201c\u201d\u2018\u2019 \t"
_BRACKETED = re.compile(r"\(([A-Z])\)|\[([A-Z])\]")
_LEADING = re.compile(r"([A-Z])(?:[.):\uff1a](?!\w)|\s*$)")
_PROSE = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\b")  # words, without LaTeX commands
MAX_WORDS = 2  # of a bare expression with its unit: 12 square units
_WORD = re.compile(r"[a-z]+")
YES, NO = frozenset({"yes", "true", "correct"}), frozenset({"no", "false", "incorrect"})


def without_closed_thoughts(response: str) -> str:
    """Return the text without closed think blocks."""
    kept, at = [], 0
    while opened := _OPEN.search(response, at):
        closed = _CLOSE.search(response, opened.end())
        if not closed:
            break
        kept.append(response[at : opened.start()])
        at = closed.end()
    return "".join(kept) + response[at:]


def without_thoughts(response: str) -> str:
    """Return the text without think blocks; of an unclosed one, and what follows, nothing is left."""
    text = without_closed_thoughts(response)
    opened = _OPEN.search(text)
    # a template may have opened the first block in the prompt
    return _CLOSE.split(text[: opened.start()] if opened else text)[-1].strip()


def boxes(text: str) -> list[str]:
    r"""Return the content of each outermost \boxed{...} whose braces are balanced, in order."""
    starts = {match.end() - 1: match.end() for match in _BOX.finditer(text)}  # place of the brace -> of the content
    found: list[tuple[int, int]] = []
    opened: list[int] = []
    for brace in _BRACE.finditer(text):
        if len(brace[0]) > 1:
            continue  # an escaped brace
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened and (begin := starts.get(opened.pop())) is not None:
            while found and found[-1][0] >= begin:
                found.pop()  # a box in this one
            found.append((begin, brace.start()))
    return [text[begin:end].strip() for begin, end in found]


def marked(text: str) -> list[str]:
    """Return the beginning of what follows each of the last "the answer is" or "Answer:", up to the end of its line."""
    ends = [match.end() for match in _MARKER.finditer(text)][-MAX_MARKERS:]
    return [line for end in ends if (line := text[end : end + MAX_SPAN].strip().partition("\n")[0].strip())]


def plain(text: str) -> str:
    r"""Return a short answer without Markdown, LaTeX's \text{} and quotation marks."""
    text = _TEXT.sub(r"\1", text).replace("$", "").replace("\\(", "").replace("\\)", "")
    return text.replace("**", "").strip(_DECORATION)


def choices_of(question: str) -> dict[str, str]:
    """Return letter -> text of the lines "A. Up", "(B) Down" or "C) Left" that begin with A and follow the alphabet."""
    best: dict[str, str] = {}
    current: dict[str, str] = {}
    for line in question.splitlines():
        match = _CHOICE.match(line)
        if not match:
            continue
        letter, text = match.groups()
        if letter == "A":
            current = {}
        if letter == chr(ord("A") + len(current)):
            current[letter] = text
            best = current if len(current) >= 2 else best
    return best


def letters_of(span: str, choices: Mapping[str, str]) -> set[str]:
    """Return the letters that a short answer names: "B", "(B)", "B. Down", "**B**", or the text of a choice."""
    text = plain(span)
    found = {letter for letter, choice in choices.items() if same(text, choice)}
    if found:
        return found if len(found) == 1 else set()
    bracketed = {a or b for a, b in _BRACKETED.findall(text)} & choices.keys()
    if bracketed:
        return bracketed
    leading = _LEADING.match(text)
    if leading and leading[1] in choices:
        rest = plain(text[leading.end() :])
        others = {letter for letter, choice in choices.items() if rest and same(rest, choice)}
        return {leading[1]} | others
    return set()


def choice_answer(response: str, choices: Mapping[str, str]) -> set[str]:
    """Return the letters of the final answer: one is an answer, several are ambiguous, none is no answer.

    The last box decides; without one the last answer marker, then the whole response, then its last line.
    """
    text = without_thoughts(response)
    boxed = boxes(text)
    if boxed:
        return letters_of(boxed[-1], choices)
    spans = marked(text)
    for span in reversed(spans):
        found = letters_of(span, choices) or letters_of(span.partition(",")[0].partition(" because")[0], choices)
        if found:
            return found
    if spans and any(letter in re.findall(r"\b[A-Z]\b", spans[-1]) for letter in choices):
        named = [word for word in re.findall(r"\b[A-Z]\b", spans[-1]) if word in choices and word not in ("A", "I")]
        if named:
            return set(named)
    lines = [line for line in text.splitlines() if line.strip()]
    found = letters_of(text, choices)
    return found or (letters_of(lines[-1], choices) if lines else set())


def same(first: str, second: str) -> bool:
    """Compare two short texts without case, white space and a final dot."""
    return _folded(first) == _folded(second) != ""


def _folded(text: str) -> str:
    return " ".join(text.split()).rstrip(".").rstrip().casefold()


def yes_no(response: str) -> set[str]:
    """Return {"yes"} or {"no"} of the final answer, both if it is ambiguous, nothing if it names neither."""
    text = without_thoughts(response)
    for span in (*boxes(text)[-1:], *marked(text)[-1:], text):
        words = _WORD.findall(plain(span).casefold())
        if words and words[0] in YES | NO:
            return {"yes" if words[0] in YES else "no"}
    return {"yes", "no"} & set(_WORD.findall(text.casefold()))


def math_answer(response: str) -> tuple[str, bool]:
    r"""Return the span with a mathematical answer, empty if there is none, and whether two different ones end the text.

    The last balanced \boxed{} decides; without one the last answer marker; else a response that is one expression.
    """
    text = without_thoughts(response)
    boxed = boxes(text)
    if boxed:
        return boxed[-1], _ends_with_two(text, boxed)
    if _BOX.search(text):
        return "", False  # an unclosed box is a cut-off answer
    spans = marked(text)
    if spans:
        return plain(spans[-1]).rstrip("."), False
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) <= MAX_SPAN and len(_PROSE.findall(lines[0])) <= MAX_WORDS:
        return plain(lines[0]).rstrip("."), False
    return "", False


def _ends_with_two(text: str, boxed: list[str]) -> bool:
    r"""Return whether the last line has two different boxes joined by "or": \boxed{5} or \boxed{7}."""
    if len(boxed) < 2 or same(boxed[-1], boxed[-2]):
        return False
    between = text[: text.rfind(boxed[-1])]
    between = between[between.rfind(boxed[-2]) + len(boxed[-2]) :]
    return bool(re.fullmatch(r"\s*\}?[\s$\\)]*or[\s$\\(]*\\(?:boxed|fbox)\s*\{\s*", between))
