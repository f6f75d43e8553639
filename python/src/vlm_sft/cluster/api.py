"""The Kubernetes API from a pod of the chart: one namespace, one service account, few permissions."""

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_sft.errors import UserError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "vlm-sft"  # name under which the server records the fields that we own
MERGE_PATCH, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
TRIES = 6
FIRST_PAUSE_S = 1.0  # doubled after each try: half a minute in all

Object = dict[str, Any]
GROUPS = {
    "job": "apis/batch/v1",
    "jobset": "apis/jobset.x-k8s.io/v1alpha2",
    "trainjob": "apis/trainer.kubeflow.org/v1alpha1",
}


class RefusedError(UserError):
    """The API refused the request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the Kubernetes API answers {status} {reason}")
        self.status = status


@dataclass(frozen=True)
class Api:
    """Reads and patches single objects of the pod's namespace."""

    server: str  # host:port
    namespace: str
    token: str
    context: ssl.SSLContext

    @classmethod
    def of_this_pod(cls) -> "Api":
        """Return the API of the cluster that this pod runs in.

        Raises:
            UserError: this is not a pod, or a pod without an API token.
        """
        folder = Path(os.environ.get("VLM_SFT_SERVICE_ACCOUNT_DIR", SERVICE_ACCOUNT))
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        try:
            token = (folder / "token").read_text().strip()
            namespace = (folder / "namespace").read_text().strip()
            context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        except OSError as error:
            reason = f"{error.filename or folder}: {error.strerror}"
            raise UserError(f"{reason}; run it in a pod of the chart") from None
        if not host:
            raise UserError("KUBERNETES_SERVICE_HOST is not set; run it in a pod of the chart")
        bracketed = f"[{host}]" if ":" in host else host
        return cls(f"{bracketed}:{port}", namespace, token, context)

    def get(self, target: str) -> Object:
        """Return the live object `KIND/NAME`; raises the same errors as `patch`."""
        return self._send(target, "GET", None, "application/json")

    def patch(self, target: str, change: Object | list[Object]) -> Object:
        """Change `KIND/NAME` by a merge patch, or by a JSON patch (a list); return the changed object.

        Raises:
            RefusedError: no permission, no such object, a conflict.
            UserError: no answer after several tries.
        """
        return self._send(target, "PATCH", change, JSON_PATCH if isinstance(change, list) else MERGE_PATCH)

    def _send(self, target: str, method: str, body: Object | list[Object] | None, content_type: str) -> Object:
        kind, _, name = target.partition("/")
        query = "" if body is None else f"?fieldManager={MANAGER}"
        request = urllib.request.Request(
            f"https://{self.server}/{GROUPS[kind]}/namespaces/{self.namespace}/{kind}s/{name}{query}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
            method=method,
        )
        # A proxy in the environment is for the internet: the API is in the cluster.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context)
        )
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, TRIES + 1):
            try:
                with opener.open(request, timeout=30) as answer:
                    found: Object = json.load(answer)
                    return found
            except urllib.error.HTTPError as error:
                error.close()  # it keeps the connection open
                reason = f"{error.code} {error.reason}"
                if error.code < 500 and error.code != 429:
                    raise RefusedError(error.code, error.reason) from None
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                reason = str(getattr(error, "reason", error))
            if attempt < TRIES:
                time.sleep(pause_s)
                pause_s *= 2
        raise UserError(f"the Kubernetes API did not accept the request in {TRIES} tries ({reason})")
