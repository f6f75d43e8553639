"""Facts about a release in the cluster, which the steps compare."""

import json
from typing import Any

import yaml
from client import Client, NotHereError, StepError

READER = "reader"
TRAINED_S = 600  # on two cores shared with other pods


def check(what: str, got: object, need: object) -> None:
    """Compare a fact with the required value.

    Raises:
        StepError: they differ.
    """
    if got != need:
        raise StepError(f"{what}\n  got:  {got}\n  need: {need}")


def require(k: Client, resource: str) -> None:
    """Skip the step unless the cluster has a resource.

    Raises:
        NotHereError: it has not.
    """
    if resource not in k.kubectl("api-resources", "-o", "name").split():
        raise NotHereError(f"the cluster has no {resource}")


def start_reader(k: Client, claim: str, pod_name: str = READER) -> None:
    """Start a pod that mounts an outputs claim, to read its files."""
    spec = k.job(claim.removesuffix("-outputs"), "train")["spec"]["template"]["spec"]
    container = {
        key: spec["containers"][0][key]
        for key in ("image", "imagePullPolicy", "securityContext")
        if key in spec["containers"][0]
    }
    container |= {
        "name": "reader",
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "outputs", "mountPath": "/outputs"}],
    }
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod_name},
        "spec": {"securityContext": spec["securityContext"], "automountServiceAccountToken": False,
                 "containers": [container], "terminationGracePeriodSeconds": 0,
                 "volumes": [{"name": "outputs", "persistentVolumeClaim": {"claimName": claim}}]},
    }  # fmt: skip
    k.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
    k.kubectl("wait", "--for=condition=Ready", f"pod/{pod_name}", "--timeout=120s")


def ask(k: Client, url: str, body: object = None) -> Any:
    """Return the JSON answer of a Service to a pod of the namespace; with a body the request is a POST."""
    program = (
        "import sys, urllib.request as r; "
        "q = r.Request(sys.argv[1], sys.argv[2].encode() or None, {'Content-Type': 'application/json'}); "
        "sys.stdout.write(r.urlopen(q, timeout=120).read().decode())"
    )
    text = json.dumps(body) if body is not None else ""
    return json.loads(k.kubectl("exec", READER, "--", "python", "-c", program, url, text))


def run_dir(k: Client, release: str) -> str:
    """Return the run directory from the training Job of a release."""
    directory: str = k.job(release, "train")["metadata"]["annotations"]["vlm-sft/run-dir"]
    return directory


def read_report(k: Client, release: str, directory: str | None = None, reader: str = READER) -> Any:
    """Return the run_report.json of a release."""
    return json.loads(k.kubectl("exec", reader, "--", "cat", f"{directory or run_dir(k, release)}/run_report.json"))


def identities(k: Client, release: str) -> list[tuple[str, str, int]]:
    """Return name, uid and generation of each Job of a release: a changed spec has another generation."""
    jobs = k.get("jobs", selector=f"app.kubernetes.io/instance={release}")
    return sorted((j["metadata"]["name"], j["metadata"]["uid"], j["metadata"]["generation"]) for j in jobs)


def job_name(k: Client, release: str, component: str) -> str:
    """Return the name of a component's Job."""
    found: str = k.job(release, component)["metadata"]["name"]
    return found


def workload(k: Client, release: str, component: str) -> Any:
    """Return Kueue's Workload of a component's Job; None when there is none."""
    job = k.job(release, component)["metadata"]["uid"]
    found = [
        w
        for w in k.get("workloads.kueue.x-k8s.io")
        if job in (o["uid"] for o in w["metadata"].get("ownerReferences", ()))
    ]
    return found[0] if found else None


def reserved(found: Any) -> bool:
    """Return whether Kueue has reserved quota for a Workload."""
    conditions = found["status"].get("conditions", ()) if "status" in found else ()
    return any(c["type"] == "QuotaReserved" and c["status"] == "True" for c in conditions)


def index(pod: Any) -> str:
    """Return the completion index of a pod of an Indexed Job."""
    return str(pod["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index", ""))


def running(k: Client, release: str, component: str = "train") -> list[Any]:
    """Return the running pods of a component."""
    return [pod for pod in k.pods(release, component) if pod["status"]["phase"] == "Running"]


def wait_for_step(k: Client, release: str, step: int) -> str:
    """Wait until training has logged a step; return the pod that logged it (with several nodes, the first)."""

    def reached() -> list[str]:
        names = [pod["metadata"]["name"] for pod in running(k, release) if index(pod) in ("", "0")]
        return [pod for pod in names if f"'{step}/" in k.kubectl("logs", pod)]

    k.wait(f"{release}: step {step}", TRAINED_S, reached)
    return reached()[0]
