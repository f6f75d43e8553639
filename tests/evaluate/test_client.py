"""One completion from servers that answer, refuse, are slow or return nonsense."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from fake_server import Reply, completion, serving
from vlm_sft.evaluate.client import Answer, ask, connect, openai_messages

QUESTION = [{"role": "user", "content": "Which way?"}]
FAST = {"Retry-After-Ms": "1"}


def test_an_answer_has_its_finish_reason_and_its_tokens() -> None:
    with serving(lambda request, number: completion("Down.", "length", 8)) as (address, requests):
        answer = ask(connect(address), "model", QUESTION, {"max_tokens": 8, "temperature": 0})
    assert answer == Answer("Down.", "length", 5, 8)
    assert requests == [{"model": "model", "messages": QUESTION, "max_tokens": 8, "temperature": 0}]


def test_a_server_in_this_pod_is_not_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nothing listens there
    with serving(lambda request, number: completion("Down.")) as (address, _):
        assert ask(connect(address, retries=0), "model", QUESTION, {}).text == "Down."


def test_a_busy_server_is_asked_again() -> None:
    def reply(request: dict[str, Any], number: int) -> Reply:
        return completion("Down.") if number > 2 else ((429, 503)[number - 1], FAST, b"{}")

    with serving(reply) as (address, requests):
        assert ask(connect(address), "model", QUESTION, {}).text == "Down."
    assert len(requests) == 3


def test_a_refused_request_is_an_error_of_its_row_at_once() -> None:
    with serving(lambda request, number: (400, {}, b'{"message": "too long"}')) as (address, requests):
        answer = ask(connect(address), "model", QUESTION, {})
    assert answer.text == ""
    assert "400" in answer.error
    assert "too long" in answer.error
    assert len(requests) == 1


def test_nonsense_is_retried_and_then_an_error() -> None:
    bodies = [b"<html>", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}']
    with serving(lambda request, number: (200, {}, bodies[number - 1])) as (address, requests):
        answer = ask(connect(address), "model", QUESTION, {})
    assert answer.text == ""
    assert answer.error
    assert len(requests) == 3


def test_a_server_that_recovers_from_nonsense_has_answered() -> None:
    with serving(lambda request, number: completion("Up.") if number > 1 else (200, {}, b"null")) as (address, _):
        assert ask(connect(address), "model", QUESTION, {}) == Answer("Up.", "stop", 5, 3)


def test_a_slow_server_is_an_error_that_says_so() -> None:
    def reply(request: dict[str, Any], number: int) -> Reply:
        time.sleep(1)
        return completion("late")

    with serving(reply) as (address, _):
        answer = ask(connect(address, timeout_s=0.1, retries=0), "model", QUESTION, {})
    assert answer.error.startswith("APITimeoutError")


def test_a_server_that_is_gone_is_an_error() -> None:
    with serving(lambda request, number: completion("x")) as (address, _):
        pass
    assert ask(connect(address, retries=0), "model", QUESTION, {}).error.startswith("APIConnectionError")


def test_images_stand_where_their_tags_are(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"png")
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "one <image> two <image>"}]
    uri = "data:image/png;base64," + base64.b64encode(b"png").decode()
    assert openai_messages(messages, [str(picture), "https://x/y.jpg"]) == [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "one "},
                {"type": "image_url", "image_url": {"url": uri}},
                {"type": "text", "text": " two "},
                {"type": "image_url", "image_url": {"url": "https://x/y.jpg"}},
            ],
        },
    ]
