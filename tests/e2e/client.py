"""kubectl and Helm on one cluster, and the waits that the steps need."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


class StepError(Exception):
    """A guarantee of the chart does not hold."""


class NotHereError(Exception):
    """The cluster lacks what a step needs."""


@dataclass(frozen=True)
class Client:
    """One namespace of a cluster, as its administrator.

    `prefix` runs each command in the cluster's network; `helm_options` are passed to every install and upgrade.
    """

    kubectl_command: str
    helm_command: str
    kubeconfig: str
    namespace: str
    prefix: Sequence[str] = ()
    helm_options: Sequence[str] = field(default=())

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl; return its output.

        Raises:
            StepError: it failed.
        """
        return self._run([self.kubectl_command, "-n", self.namespace, *words], stdin)

    def helm(self, *words: str) -> str:
        """Run Helm; return its output.

        Raises:
            StepError: it failed.
        """
        return self._run([self.helm_command, "-n", self.namespace, *words])

    def deploy(self, release: str, *options: str) -> str:
        """Install or upgrade a release of the chart; return Helm's output."""
        return self.helm("upgrade", "--install", release, "charts/vlm-sft", *self.helm_options, *options)

    def get(self, kind: str, name: str = "", selector: str = "") -> Any:
        """Return an object, or the list of objects."""
        words = [kind, *([name] if name else []), *(["-l", selector] if selector else [])]
        got = json.loads(self.kubectl("get", *words, "-o", "json"))
        return got if name else got["items"]

    def job(self, release: str, component: str) -> Object:
        """Return the one Job of a component of a release.

        Raises:
            StepError: there is none, or there are several.
        """
        jobs = self.get("jobs", selector=_labels(release, component))
        if len(jobs) != 1:
            raise StepError(f"{release}: {len(jobs)} {component} Jobs, need one")
        job: Object = jobs[0]
        return job

    def pods(self, release: str, component: str) -> list[Object]:
        """Return the pods of a component of a release."""
        found: list[Object] = self.get("pods", selector=_labels(release, component))
        return found

    def wait(self, what: str, timeout_s: float, ready: Callable[[], object]) -> None:
        """Wait until `ready` returns something true.

        Raises:
            StepError: the time is over.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if time.monotonic() > deadline:
                raise StepError(f"not within {timeout_s:.0f} s: {what}\n{self.picture()}")
            time.sleep(0.5)

    def wait_for_job(self, release: str, component: str, timeout_s: float, condition: str = "Complete") -> Object:
        """Wait for the end of a component's Job.

        Raises:
            StepError: it ended with the other condition, or the time is over.
        """
        other = {"Complete": "Failed", "Failed": "Complete"}[condition]

        def ended() -> bool:
            conditions = {
                c["type"] for c in self.job(release, component)["status"].get("conditions", ()) if c["status"] == "True"
            }
            if other in conditions:
                raise StepError(
                    f"{release}: {component} is {other}, need {condition}\n{self.picture(release, component)}"
                )
            return condition in conditions

        self.wait(f"{release}: {component} is {condition}", timeout_s, ended)
        return self.job(release, component)

    def picture(self, release: str = "", component: str = "") -> str:
        """Return objects, events and logs, for the diagnosis of a failure."""
        words = [["get", "jobs,pods,pvc", "-o", "wide"], ["get", "events", "--sort-by=.lastTimestamp"]]
        if release:
            words.append(["logs", "--tail=25", "--all-containers", "--prefix", "-l", _labels(release, component)])
        parts = []
        for command in words:
            try:
                parts.append("\n".join(self.kubectl(*command).splitlines()[-40:]))
            except StepError as error:
                parts.append(str(error))
        return "\n\n".join(parts)

    def _run(self, command: list[str], stdin: str | None = None) -> str:
        words = [*self.prefix, "env", f"KUBECONFIG={self.kubeconfig}", *command]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StepError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}".strip())
        return done.stdout.strip()


def _labels(release: str, component: str) -> str:
    return f"app.kubernetes.io/instance={release},app.kubernetes.io/component={component}"
