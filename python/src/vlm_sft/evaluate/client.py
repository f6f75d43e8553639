"""One chat completion of an OpenAI-compatible server, retried; a sample without an answer keeps the reason."""

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_sft.evaluate.samples import TAG
from vlm_sft.evaluate.task import FinishReason

if TYPE_CHECKING:
    from openai import OpenAI

RETRIES = 4  # of the library: 408, 409, 429, 5xx and lost connections, with its exponential backoff and Retry-After
TIMEOUT_S = 600.0  # for one answer; 4,096 tokens at 10 tokens/s take 410 s
NONSENSE_TRIES = 3  # replies that are no chat completion


@dataclass(frozen=True)
class Answer:
    """A response, or the reason why there is none."""

    text: str = ""
    finish_reason: FinishReason = ""
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    error: str = ""


def connect(address: str, key: str = "", timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> "OpenAI":
    """Return a client of the server at `address`, such as http://127.0.0.1:8000/v1. It is safe to share by threads."""
    from openai import DefaultHttpxClient, OpenAI

    # A proxy in the environment is for the internet: it must not get requests to a server in this pod.
    direct = DefaultHttpxClient(trust_env=False) if "//127.0.0.1" in address else None
    return OpenAI(base_url=address, api_key=key or "none", timeout=timeout_s, max_retries=retries, http_client=direct)


def ask(client: "OpenAI", model: str, messages: Sequence[Mapping[str, Any]], decoding: Mapping[str, Any]) -> Answer:
    """Return the first choice of one completion; errors that persist are in the answer.

    Args:
        client: of `connect`.
        model: the name under which the server serves it.
        messages: in OpenAI's format.
        decoding: fields of the request: max_tokens, temperature, ...
    """
    from openai import OpenAIError

    error = ""
    for _ in range(NONSENSE_TRIES):
        try:
            reply = client.chat.completions.create(model=model, messages=list(messages), extra_body=dict(decoding))  # type: ignore[arg-type]
        except (OpenAIError, ValueError) as problem:
            error = f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
            if isinstance(problem, OpenAIError):
                return Answer(error=error)
            continue
        choices: Any = getattr(reply, "choices", None)
        message = choices[0].message if isinstance(choices, list) and choices else None
        text = getattr(message, "content", None)
        if not isinstance(text, str):
            error = f"no chat completion: {str(reply)[:200]}"
            continue
        usage = getattr(reply, "usage", None)
        reason = choices[0].finish_reason
        return Answer(
            text,
            reason if reason in ("stop", "length") else "",
            getattr(usage, "prompt_tokens", None),
            getattr(usage, "completion_tokens", None),
        )
    return Answer(error=error)


def openai_messages(messages: Sequence[Mapping[str, Any]], images: Sequence[str]) -> list[dict[str, Any]]:
    """Return messages with each <image> tag replaced by its image, where the tag stands."""
    left = iter(images)
    return [{"role": m["role"], "content": _content(m["content"], left)} for m in messages]


def _content(text: str, images: Any) -> Any:  # noqa: ANN401 - a text or a list of parts
    if TAG not in text:
        return text
    parts: list[dict[str, Any]] = []
    pieces = text.split(TAG)
    for number, piece in enumerate(pieces):
        if piece:
            parts.append({"type": "text", "text": piece})
        if number < len(pieces) - 1:
            parts.append({"type": "image_url", "image_url": {"url": data_uri(next(images))}})
    return parts


def data_uri(image: str) -> str:
    """Return a local file as a data: URI, so that the server needs no access to files; other addresses unchanged."""
    if not image.startswith("/"):
        return image
    kind = mimetypes.guess_type(image)[0] or "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(Path(image).read_bytes()).decode()}"
