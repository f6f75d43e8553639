"""Both layouts contain the same answers, each after the same texts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vlm_sft.datasets.conversation import Conversation, Turn
from vlm_sft.prepare.layout_cost import LayoutCost, LayoutCosts, count
from vlm_sft.prepare.swift_check import problem_of
from vlm_sft.prepare.swift_row import LAYOUTS, SampleFormat, is_cut, samples, trained_answers

words = st.text("ab <>|é🚲\n", min_size=1, max_size=12).map(str.strip).filter(bool)
scores = st.none() | st.sampled_from([1.0, 7.5, 10.0])
turns = st.lists(st.builds(Turn, answer=words, reply=words, score=scores), min_size=1, max_size=9).map(tuple)
conversations = st.builds(
    Conversation,
    row_id=st.just("r"),
    source=st.just("coco"),
    images=st.lists(st.just("coco/1.jpg"), max_size=2).map(tuple),
    question=words,
    turns=turns,
)
forms = st.builds(
    SampleFormat,
    layout=st.sampled_from(["trajectory", "steps"]),
    loss=st.sampled_from(["all", "last", "revisions"]),
    feedback=st.sampled_from(["text", "score-and-text"]),
    system_prompt=st.sampled_from(["", "Be brief."]),
    max_history_rounds=st.integers(1, 9),
)


def terms(written: list[dict[str, Any]]) -> list[tuple[str, tuple[str, ...]]]:
    """Every answer that is trained on, with the texts before it: the terms of the loss."""
    found = []
    for sample in written:
        contents = [message["content"] for message in sample["messages"]]
        for number, message in enumerate(sample["messages"]):
            if message.get("loss"):
                found.append((contents[number], tuple(contents[:number])))
    return found


def both(conversation: Conversation, form: SampleFormat) -> list[list[dict[str, Any]]]:
    return [samples(conversation, conversation.images, replace(form, layout=layout)) for layout in LAYOUTS]


@given(conversations, forms)
def test_both_layouts_have_the_same_terms_if_no_history_is_cut(conversation: Conversation, form: SampleFormat) -> None:
    trajectory, steps = both(conversation, form)
    if is_cut(conversation, form):
        assert len(terms(trajectory)) <= len(terms(steps))
        assert (terms(trajectory) == terms(steps)) == (form.loss == "last")
    else:
        assert terms(trajectory) == terms(steps)


@given(conversations, forms)
def test_an_answer_sees_no_more_rounds_than_allowed(conversation: Conversation, form: SampleFormat) -> None:
    for written in both(conversation, form):
        for _, before in terms(written):
            assert len(before) <= (1 if form.system_prompt else 0) + 1 + 2 * form.max_history_rounds


@given(conversations, forms)
def test_steps_train_on_every_answer(conversation: Conversation, form: SampleFormat) -> None:
    _, steps = both(conversation, form)
    answers = [conversation.turns[number].answer for number in trained_answers(len(conversation.turns), form.loss)]
    assert [answer for answer, _ in terms(steps)] == answers
    assert len(steps) == len(answers)
    assert all(sample["messages"][-1]["loss"] for sample in steps)


@given(conversations, forms)
def test_every_sample_is_valid_or_refused_for_its_text(conversation: Conversation, form: SampleFormat) -> None:
    for written in both(conversation, form):
        for sample in written:
            problem = problem_of(sample)
            assert problem is None or problem.reason in {"special_token_in_text", "image_tag_in_text"}


@given(conversations, forms)
def test_the_fast_count_of_costs_equals_the_slow_one(conversation: Conversation, form: SampleFormat) -> None:
    written = samples(conversation, conversation.images, form)
    if not written:
        return
    fast = LayoutCosts()
    fast.add(conversation, [str(image) for image in conversation.images], written, form)
    for layout, made in zip(LAYOUTS, both(conversation, form), strict=True):
        slow = LayoutCost()
        count(slow, made)
        assert fast.of[layout] == slow


@pytest.mark.parametrize(
    ("score", "shown"),
    [(7.0, "Your answer scores 7 out of 10. no"), (7.5, "Your answer scores 7.5 out of 10. no"), (None, "no")],
)
def test_the_score_is_written_in_words(score: float | None, shown: str) -> None:
    conversation = Conversation("r", "coco", (), "q", (Turn("a", "no", score), Turn("b")))
    (sample,) = samples(conversation, (), SampleFormat(feedback="score-and-text"))
    assert [message["content"] for message in sample["messages"]] == ["q", "a", shown, "b"]


def test_a_text_only_conversation_has_no_image_tag() -> None:
    (sample,) = samples(Conversation("r", "", (), "q", (Turn("a"),)), (), SampleFormat())
    assert sample == {
        "id": "r",
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "loss": True}],
        "images": [],
    }
