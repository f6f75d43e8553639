"""The bytes of a picture that a dataset holds as a data URI or names by a URL."""

import base64
import binascii
import os
import threading
from urllib.parse import unquote_to_bytes

import httpx

from vlm_sft.datasets.image_path import DATA_URI, URL
from vlm_sft.images.decode import Unusable
from vlm_sft.images.remote.hub_url import is_offline
from vlm_sft.images.remote.web import RetryPolicy, Unavailable, Web

MAX_BYTES = 64 << 20  # of one picture
CONNECTIONS = 16
RETRIES = RetryPolicy(tries=3, longest_wait_s=60)
SHOWN_LETTERS = 120  # of a URL or data URI in a drop


class Downloads:
    """Fetches pictures. May be made before a fork: each process has its own connections, opened when needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._web: tuple[int, Web] | None = None

    def fetch(self, url: str) -> bytes:
        """Return the bytes of one picture.

        Raises:
            Unusable: image_offline or image_not_fetched.
        """
        if is_offline():
            raise Unusable(
                "image_offline",
                f"{url[:SHOWN_LETTERS]}: HF_HUB_OFFLINE is set; prepare once without it, or use --skip-images",
            )
        try:
            return self._client().whole(url, MAX_BYTES)
        except (Unavailable, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise Unusable("image_not_fetched", f"{url[:SHOWN_LETTERS]}: {text}") from None

    def close(self) -> None:
        """Close this process's connections."""
        if self._web is not None and self._web[0] == os.getpid():
            self._web[1].close()
            self._web = None

    def _client(self) -> Web:
        with self._lock:
            if self._web is None or self._web[0] != os.getpid():
                self._web = os.getpid(), Web(CONNECTIONS, RETRIES)
            return self._web[1]


def decode_data_uri(uri: str) -> bytes:
    """Return the bytes of `data:[TYPE][;base64],DATA`; percent-encoding and line breaks are allowed in DATA.

    Raises:
        Unusable: image_data_broken.
    """
    head, comma, data = uri.partition(",")
    try:
        if not comma:
            raise ValueError("no comma after the type")
        content = unquote_to_bytes(data)
        if head.rstrip().lower().endswith(";base64"):
            content = b"".join(content.split()).rstrip(b"=")
            content = base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unusable("image_data_broken", f"{shown(uri)}: {error}") from None
    if len(content) > MAX_BYTES:
        raise Unusable("image_data_broken", f"{shown(uri)}: larger than {MAX_BYTES >> 20} MiB")
    return content


def shown(image: str | bytes) -> str:
    """Return a short text that names a picture in a drop."""
    if isinstance(image, bytes):
        return f"{len(image)} bytes in the row"
    if URL.match(image):
        return image[:SHOWN_LETTERS]
    return f"{image[:30]}... ({len(image)} characters)" if DATA_URI.match(image) else image
