"""Critique, revise and decide rows of one image -> conversations: answer, critique, better answer, and so on.

- A revise row has all of a round, so its critique row adds nothing; a critique that no row uses is dropped by name.
- A revision that is the initial answer of another revise row of the same question continues the conversation. Of
  several rows that revise one answer, the first continues it. Each of the others begins a conversation with that
  answer, which is not trained on a second time. A conversation ends when an answer comes back.
- Where a decide row prefers the initial answer, the revision is worse and nobody should learn it: the conversation ends
  with the preferred answer. Volcano stops there as well.

Rows are grouped by image, not by question: without the revision a decide row cannot be split into its three texts.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from vlm_sft.datasets.conversation import JOINED, Conversation, Drop, Outcome, Turn
from vlm_sft.datasets.volcano.prompts import (
    CRITIQUE,
    DECIDE,
    FEEDBACK,
    REVISE,
    THIRD_OPTION,
    Kind,
    Prompt,
    answered,
    criticised,
    folded,
    letter_of,
    read,
)

Answer = tuple[str, str, str]  # image, question and answer, folded
Prompts = dict[int, Prompt]  # by the number of the row in its group, in order
Outcomes = dict[int, Outcome]


@dataclass(frozen=True, slots=True)
class Revision:
    """A revise row: it turns `before` into `after`."""

    number: int
    prompt: Prompt
    question: str
    answer: str
    feedback: str
    before: Answer
    after: Answer
    critique: int | None  # number of its critique row


def key(row: object) -> str | None:
    """Return the image of a row that has one of Volcano's prompts."""
    prompt = read(row)
    return prompt.image if isinstance(prompt, Prompt) else None


def parse_group(rows: Sequence[object]) -> Sequence[Outcome]:
    """Join the rows of one image. Never raises, whatever JSON values the rows are."""
    outcomes: Outcomes = {}
    prompts: dict[Kind, Prompts] = {"critique": {}, "revise": {}, "decide": {}}
    for number, row in enumerate(rows):
        prompt = read(row)
        if isinstance(prompt, Drop):
            outcomes[number] = prompt
        else:
            prompts[prompt.kind][number] = prompt
    revisions = _revisions(prompts["critique"], prompts["revise"], outcomes)
    refusals = _refusals(prompts["decide"], revisions, outcomes)
    answers: set[Answer] = set()  # of all conversations so far
    for chain in _chains(_accepted(revisions, refusals, outcomes)):
        for revision in chain:
            outcomes[revision.number] = JOINED
        outcomes[chain[-1].number] = _conversation(chain, trains_first=chain[0].before not in answers)
        answers |= {chain[0].before, *(revision.after for revision in chain)}
    for number, refused in refusals.items():
        outcomes[number] = JOINED
        if refused.before not in answers:  # the preferred answer is nobody's revision
            answers.add(refused.before)
            of_row = prompts["decide"][number].conversation
            outcomes[number] = replace(of_row, question=refused.question, turns=(Turn(refused.answer),))
    return [outcomes[number] for number in range(len(rows))]


def _revisions(critiques: Prompts, revise: Prompts, outcomes: Outcomes) -> list[Revision]:
    """Read the revise rows, with the texts of their critique rows where there are any; drop rows that come twice."""
    by_revise_prompt: dict[tuple[str, str], int] = {}  # image and revise prompt -> its critique row
    for number, prompt in critiques.items():
        text = folded(prompt.text.removeprefix(CRITIQUE) + FEEDBACK + " " + prompt.answer)
        is_first = by_revise_prompt.setdefault((prompt.image, text), number) == number
        outcomes[number] = Drop("critique_without_revision" if is_first else "duplicate_row", prompt.text[-80:])
    revisions, seen = [], set()
    for number, prompt in revise.items():
        asked = (prompt.image, folded(prompt.text.removeprefix(REVISE)))
        critique = by_revise_prompt.get(asked)
        texts = criticised(prompt.text) if critique is None else _texts_of(critiques[critique])
        if isinstance(texts, Drop):
            outcomes[number] = texts
        elif (row := (asked, folded(prompt.answer))) in seen:
            outcomes[number] = Drop("duplicate_row", prompt.text[-80:])
        else:
            seen.add(row)
            about = prompt.image, folded(texts[0])
            before, after = (*about, folded(texts[1])), (*about, row[1])
            revisions.append(Revision(number, prompt, *texts, before, after, critique))
    return revisions


def _texts_of(critique: Prompt) -> tuple[str, str, str] | Drop:
    texts = answered(critique.text, CRITIQUE)
    return texts if isinstance(texts, Drop) else (*texts, critique.answer)


def _refusals(decide: Prompts, revisions: Sequence[Revision], outcomes: Outcomes) -> dict[int, Revision]:
    """Return the rows that prefer the initial answer, with a revision that they refuse; the other rows are done."""
    offered = {}
    for revision in revisions:
        image, question, answer = revision.before
        offered[image, f"{question} A. {answer} B. {revision.after[2]}"] = revision
    refusals, decided = {}, set()
    for number, prompt in decide.items():
        offer = prompt.image, folded(prompt.text.removesuffix(DECIDE))
        letter = letter_of(prompt.answer)
        if offer not in offered:
            # The LLaVA mix has such questions too, with four options.
            reason = "plain_row" if THIRD_OPTION in prompt.text else "decide_without_revision"
            outcomes[number] = Drop(reason, prompt.text[-120:])
        elif letter is None:
            outcomes[number] = Drop("decide_unreadable", prompt.answer[:80])
        elif offer in decided:
            outcomes[number] = Drop("duplicate_row", prompt.text[-120:])
        else:
            decided.add(offer)
            outcomes[number] = JOINED
            if letter == "A":
                refusals[number] = offered[offer]
    return refusals


def _accepted(revisions: Sequence[Revision], refusals: dict[int, Revision], outcomes: Outcomes) -> list[Revision]:
    """Return the revisions that no row refuses. A critique shares the fate of its revision."""
    refused = {(revision.before, revision.after) for revision in refusals.values()}
    accepted = []
    for revision in revisions:
        if (revision.before, revision.after) in refused:
            outcome: Outcome = Drop("revision_refused", revision.prompt.answer[:120])
        else:
            outcome = JOINED
            accepted.append(revision)
        outcomes[revision.number] = outcome
        if revision.critique is not None and outcomes[revision.critique] is not JOINED:
            outcomes[revision.critique] = outcome
    return accepted


def _chains(revisions: Collection[Revision]) -> Iterator[list[Revision]]:
    """Follow revisions of revisions. Each revision is in one chain."""
    following: defaultdict[Answer, list[Revision]] = defaultdict(list)
    for revision in revisions:
        following[revision.before].append(revision)
    revised = {revision.after for revision in revisions if revision.after != revision.before}
    starts = deque(revision for revision in revisions if revision.before not in revised)
    starts.extend(revisions)  # those in circles
    taken: set[int] = set()
    while starts:
        revision = starts.popleft()
        chain = []
        while revision.number not in taken:
            taken.add(revision.number)
            chain.append(revision)
            # The first goes on. It is taken already if the answer is an earlier one of this chain.
            revision, *others = following.pop(revision.after, [revision])
            starts.extendleft(reversed(others))
        if chain:
            yield chain


def _conversation(chain: Sequence[Revision], *, trains_first: bool) -> Conversation:
    """Return the conversation of a chain, with the id of its last row."""
    first, last = chain[0], chain[-1]
    turns = [Turn(first.answer, first.feedback, trained=trains_first)]
    for revision, following in pairwise(chain):
        turns.append(Turn(revision.prompt.answer, following.feedback))
    turns.append(Turn(last.prompt.answer))
    return replace(last.prompt.conversation, question=first.question, turns=tuple(turns))
