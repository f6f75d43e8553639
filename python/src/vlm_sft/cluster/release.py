"""`vlm-sft release`: lets a held Job start, from inside a pod whose service account may patch that one Job.

The live object says how it is held, so nobody has to know: by `spec.suspend`; by the annotation `admission-gated-by` of
Kueue; or by a queue label that it gets only now, kept for it in its annotation `vlm-sft/queue-name`.
"""

import click

from vlm_sft.cluster.api import MANAGER, TRIES, Api, Object, RefusedError
from vlm_sft.errors import UserError

GATES = "kueue.x-k8s.io/admission-gated-by"
GATE = "vlm-sft/predecessor"
QUEUE = "kueue.x-k8s.io/queue-name"
LATE_LABELS = {"vlm-sft/queue-name": QUEUE, "vlm-sft/priority-class": "kueue.x-k8s.io/priority-class"}
FINISHED = ("Complete", "Completed")  # as Jobs and TrainJobs, and as JobSets call it


@click.command()
@click.argument("target", metavar="KIND/NAME")
@click.option("--after", metavar="KIND/NAME", help="Release it only if this one is complete; else leave it held.")
def release(target: str, after: str | None) -> None:
    """Let a held Job start: job/NAME, jobset/NAME or trainjob/NAME; it is no mistake when it was released before."""
    release_job(target, after)


def release_job(target: str, after: str | None = None) -> None:
    """Release `KIND/NAME` through the API of the cluster that this pod runs in.

    Raises:
        UserError: not in a pod, no permission, no such object, or no answer after several tries.
    """
    try:
        api = Api.of_this_pod()
        if after and not _complete(api, after):
            click.echo(f"{target}: stays held, for {after} is not complete; it releases it at its end", err=True)
            return
        change = unhold(api.get(target))
        if change is None:
            click.echo(f"{target}: nothing holds it", err=True)
            return
        live = api.patch(target, change)
    except UserError as error:
        raise UserError(f"{target}: {error}; release it by hand as `helm get notes` says") from None
    click.echo(f"{target}: released", err=True)
    _disown(api, target, live)


def unhold(live: Object) -> Object | None:
    """Return the merge patch that releases a live object, None when nothing of ours holds it."""
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
    """Tell whether an object has finished well; one that is gone has not, as far as anybody knows."""
    try:
        conditions = api.get(target).get("status", {}).get("conditions", [])
    except RefusedError as error:
        if error.status != 404:
            raise
        return False
    return any(condition["type"] in FINISHED and condition["status"] == "True" for condition in conditions)


def _disown(api: Api, target: str, live: Object) -> None:
    """Take our entry out of the object's managedFields, so that the field that we changed belongs to nobody.

    Helm 4 applies on the server's side: a rollback renders what was held then, and would be refused for a field that
    another manager owns. The release itself has succeeded by now, so a failure here is told and no more.
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
                if error.status not in (409, 422):  # somebody changed it in between
                    raise
                live = api.get(target)
        click.echo(f"{target}: changes too fast to give up its field; a rollback may need --force-conflicts", err=True)
    except UserError as error:
        click.echo(f"{target}: {error}; a rollback may need --force-conflicts", err=True)
