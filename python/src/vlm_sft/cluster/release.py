"""`vlm-sft release`: lets a held Job start, from inside a pod whose service account may patch only that Job.

The live object shows how it is held: by `spec.suspend`, by Kueue's annotation `admission-gated-by`, or by a missing
queue label, whose value is stored in the annotation `vlm-sft/queue-name`.
"""

from pathlib import Path

import click

from vlm_sft.cluster.api import MANAGER, TRIES, Api, Object, RefusedError
from vlm_sft.errors import UserError

GATES = "kueue.x-k8s.io/admission-gated-by"
GATE = "vlm-sft/predecessor"
QUEUE = "kueue.x-k8s.io/queue-name"
LATE_LABELS = {"vlm-sft/queue-name": QUEUE, "vlm-sft/priority-class": "kueue.x-k8s.io/priority-class"}
FINISHED = ("Complete", "Completed")  # of Jobs and TrainJobs; of JobSets


@click.command()
@click.argument("target", metavar="KIND/NAME")
@click.option("--after", metavar="KIND/NAME", help="Release it only if this object is complete; else it stays held.")
@click.option(
    "--when",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Release it only if this file exists; else it stays held, and that is no error. For pods that each prepare a "
    "part of the data: the file is written when all parts are.",
)
def release(target: str, after: str | None, file: Path | None) -> None:
    """Let a held Job start: job/NAME, jobset/NAME or trainjob/NAME. A Job that is not held is left as it is."""
    try:
        missing = file is not None and not file.is_file()
    except OSError as error:
        raise UserError(f"--when: {file}: {error.strerror}") from None
    if missing:
        click.echo(f"{target}: stays held: {file} does not exist yet, and the pod that completes it releases", err=True)
        return
    release_job(target, after)


def release_job(target: str, after: str | None = None) -> None:
    """Release `KIND/NAME` through the API of the cluster that this pod runs in.

    Raises:
        UserError: not in a pod, no permission, no such object, or no answer after several tries.
    """
    try:
        api = Api.of_this_pod()
        if after and not _complete(api, after):
            click.echo(f"{target}: stays held: {after} is not complete, and will release it when it is", err=True)
            return
        change = unhold(api.get(target))
        if change is None:
            click.echo(f"{target}: is not held", err=True)
            return
        live = api.patch(target, change)
    except UserError as error:
        raise UserError(f"{target}: {error}; release it by hand as `helm get notes` shows") from None
    click.echo(f"{target}: released", err=True)
    _disown(api, target, live)


def unhold(live: Object) -> Object | None:
    """Return the merge patch that releases a live object, None when the chart does not hold it."""
    annotations, labels = (live["metadata"].get(part) or {} for part in ("annotations", "labels"))
    gates = [gate for gate in annotations.get(GATES, "").split(",") if gate]
    if GATE in gates:
        return {"metadata": {"annotations": {GATES: ",".join(gate for gate in gates if gate != GATE) or None}}}
    if QUEUE in labels:
        return None  # Kueue starts it when there is quota
    late = {label: annotations[name] for name, label in LATE_LABELS.items() if name in annotations}
    if late:
        return {"metadata": {"labels": late}}
    return {"spec": {"suspend": False}} if live["spec"].get("suspend") else None


def _complete(api: Api, target: str) -> bool:
    """Return whether an object is complete; a deleted one counts as not complete."""
    try:
        conditions = api.get(target).get("status", {}).get("conditions", [])
    except RefusedError as error:
        if error.status != 404:
            raise
        return False
    return any(condition["type"] in FINISHED and condition["status"] == "True" for condition in conditions)


def _disown(api: Api, target: str, live: Object) -> None:
    """Remove our entry from the object's managedFields, so that no manager owns the field that we changed.

    Helm 4 applies on the server's side: a rollback renders the held state again, and is refused for a field of another
    manager. The release itself has succeeded already, so a failure here is only logged.
    """
    try:
        for _ in range(TRIES):
            metadata = live["metadata"]
            owners = [entry.get("manager") for entry in metadata.get("managedFields", [])]
            if MANAGER not in owners:
                return
            version = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}
            entry = {"op": "remove", "path": f"/metadata/managedFields/{owners.index(MANAGER)}"}
            try:
                live = api.patch(target, [version, entry])
            except RefusedError as error:
                if error.status not in (409, 422):  # changed by another client in between
                    raise
                live = api.get(target)
        click.echo(f"{target}: changes too fast to disown its field; a rollback may need --force-conflicts", err=True)
    except UserError as error:
        click.echo(f"{target}: {error}; a rollback may need --force-conflicts", err=True)
