"""`vlm-sft fetch`: downloads a model into the cache claim before any GPU is requested."""

import shutil
from pathlib import Path

import click

from vlm_sft.errors import ConfigError, UserError

WEIGHTS = ("*.safetensors",)
LEGACY_WEIGHTS = ("*.bin", "*.pth", "*.pt")  # used only when a repository has no safetensors
OTHER_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken")
SPARE_BYTES = 2 << 30  # free space that a download must leave on the claim


@click.command()
@click.argument("model", metavar="MODEL[@REV]")
def fetch(model: str) -> None:
    """Download MODEL, a hub id, into the cache of HF_HOME; files in the cache are not downloaded again."""
    name, _, revision = model.partition("@")
    click.echo(str(fetch_model(name, revision or None)))


def fetch_model(name: str, revision: str | None) -> Path:
    """Return the folder of a model in the cache; download what is missing.

    Raises:
        ConfigError: no such model or revision, or no access; another try would fail the same way.
        UserError: the hub cannot be reached, or the disk is too small.
    """
    from httpx import HTTPError  # the HTTP client of huggingface_hub
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        sizes = {
            file.rfilename: file.size or 0
            for file in HfApi().model_info(name, revision=revision, files_metadata=True).siblings or []
        }
        patterns = [*(WEIGHTS if any(f.endswith(".safetensors") for f in sizes) else LEGACY_WEIGHTS), *OTHER_FILES]
        cache = Path(constants.HF_HUB_CACHE)
        wanted = sum(size for file, size in sizes.items() if any(Path(file).match(pattern) for pattern in patterns))
        _check_room(name, wanted, cache)
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except GatedRepoError:
        raise ConfigError(
            f"{name}: gated, and the token has no access; accept the licence on its page, and put a token of that "
            "account into the secret that huggingFace.tokenSecret names"
        ) from None
    except RevisionNotFoundError:
        raise ConfigError(f"{name}: no revision {revision!r}; correct model.revision") from None
    except RepositoryNotFoundError:
        raise ConfigError(f"{name}: no such model, or a private one without access; correct model.id") from None
    except HfHubHTTPError as error:
        raise UserError(f"{name}: the hub answers {' '.join(str(error).split())[:200]}; try again later") from None
    except (OSError, HTTPError) as error:
        raise UserError(f"{name}: {' '.join(str(error).split())[:200]}; is the hub reachable from this pod?") from None


def _check_room(name: str, wanted_bytes: int, cache: Path) -> None:
    """Refuse a download that does not fit; files in the cache are not counted again."""
    existing = next(path for path in [cache, *cache.parents] if path.exists())
    folder = cache / f"models--{name.replace('/', '--')}" / "blobs"
    have = sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
    free = shutil.disk_usage(existing).free
    if wanted_bytes - have + SPARE_BYTES > free:
        raise UserError(
            f"{name}: {(wanted_bytes - have) / 2**30:.1f} GiB to download, {free / 2**30:.1f} GiB free under "
            f"{existing}; enlarge storage.cache.size, or delete unused models there"
        )
