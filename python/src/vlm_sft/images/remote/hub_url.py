"""`hf://[datasets/]ORG/NAME[@REVISION]/FILE` -> address and headers; uses HF_ENDPOINT and HF_TOKEN."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import urlsplit

ADDRESS = re.compile(
    r"hf://(?P<kind>datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?/(?P<file>.+)", re.ASCII
)


@dataclass(frozen=True)
class HubFile:
    """One file of a repository on the hub."""

    repo: str
    file: str
    revision: str | None
    kind: str  # dataset or model

    @classmethod
    @lru_cache
    def parse(cls, address: str) -> Self | None:
        """Parse an address; None if it is not one of the hub."""
        match = ADDRESS.fullmatch(address)
        if not match:
            return None
        return cls(match["repo"], match["file"], match["revision"], "dataset" if match["kind"] else "model")

    @lru_cache  # noqa: B019  a few dozen files
    def url(self) -> str:
        """Return the file's address on the hub, or on the mirror that HF_ENDPOINT names."""
        from huggingface_hub import hf_hub_url  # late: 0.5 s that --help does not need

        return hf_hub_url(self.repo, self.file, repo_type=self.kind, revision=self.revision)

    def headers(self, target: str) -> dict[str, str]:
        """Return the headers for `target`: the token, if there is one, only for the hub itself."""
        from huggingface_hub import get_token

        token = get_token() if urlsplit(target)[:2] == urlsplit(self.url())[:2] else None
        return {"Authorization": f"Bearer {token}"} if token else {}


def is_offline() -> bool:
    """True if HF_HUB_OFFLINE is set: no request to the hub is allowed."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE
