"""`vlm-sft release`: lets a held Job start, from inside a pod whose service account may patch that one Job."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

from vlm_sft.errors import UserError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TRIES = 6
FIRST_PAUSE_S = 1.0  # doubled after each try: half a minute in all


@click.command()
@click.argument("job", metavar="job/NAME")
def release(job: str) -> None:
    """Set spec.suspend of a Job to false; it is no mistake when it was released before."""
    release_job(job)


def release_job(job: str) -> None:
    """Release `job/NAME` through the API of the cluster that this pod runs in.

    Raises:
        UserError: not in a pod, no permission, no such Job, or no answer after several tries.
    """
    name = job.removeprefix("job/")
    folder = Path(os.environ.get("VLM_SFT_SERVICE_ACCOUNT_DIR", SERVICE_ACCOUNT))
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    way_out = f'release it by hand: kubectl patch job {name} --type merge -p \'{{"spec":{{"suspend":false}}}}\''
    try:
        token = (folder / "token").read_text().strip()
        namespace = (folder / "namespace").read_text().strip()
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    except OSError as error:
        raise UserError(
            f"{job}: {error.filename or folder}: {error.strerror}; this is no pod of the chart; {way_out}"
        ) from None
    if not host:
        raise UserError(f"{job}: KUBERNETES_SERVICE_HOST is not set, so there is no cluster here; {way_out}")
    bracketed = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{bracketed}:{port}/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
        data=json.dumps({"spec": {"suspend": False}}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
        method="PATCH",
    )
    click.echo(f"{job}: {_send(request, context, job, way_out)}", err=True)


def _send(request: urllib.request.Request, context: ssl.SSLContext, job: str, way_out: str) -> str:
    """Send the request until the API answers; return what to tell."""
    pause_s = FIRST_PAUSE_S
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(request, context=context, timeout=30):  # noqa: S310
                return "released"
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            reason = f"{error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                raise UserError(f"{job}: the Kubernetes API answers {reason}; {way_out}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error))
        if attempt < TRIES:
            time.sleep(pause_s)
            pause_s *= 2
    raise UserError(f"{job}: the Kubernetes API did not take it in {TRIES} tries ({reason}); {way_out}")
