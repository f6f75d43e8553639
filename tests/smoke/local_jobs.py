"""Runs rendered Kubernetes Jobs as local processes, with the same commands, environment, config files and order.

The pods of an Indexed Job run one after the other.

A mount path of a container (`/cache`, `/outputs`, `/config`, `/tmp`) becomes a local folder. The path is rewritten in
arguments, environment and config files. A held Job (`suspend: true`) starts when a process of another Job releases it
through the Kubernetes API, as in a cluster: a loopback server stands in for the API server.
"""

import datetime
import http.server
import ipaddress
import itertools
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One container that ran: its name, its duration [s] and its exit code."""

    job: str
    container: str
    seconds: float
    exit_code: int


class LocalJobs:
    """The Jobs of one rendered release, with its claims and config maps as folders under `root`."""

    def __init__(self, manifests: list[Manifest], root: Path) -> None:
        hooks = ("helm.sh/hook" in m["metadata"].get("annotations", {}) for m in manifests)
        self.jobs = [m for m, is_hook in zip(manifests, hooks, strict=True) if m["kind"] == "Job" and not is_hook]
        self.config_maps = {m["metadata"]["name"]: m["data"] for m in manifests if m["kind"] == "ConfigMap"}
        self.root = root
        self.released: set[str] = set()

    def run(self) -> list[Step]:
        """Run the Jobs one after the other, each as soon as it is released; stop at the first failure."""
        steps: list[Step] = []
        waiting = list(self.jobs)
        with self._api() as api_env:
            while waiting:
                job = next((job for job in waiting if self._startable(job)), None)
                if job is None:
                    held = ", ".join(job["metadata"]["name"] for job in waiting)
                    sys.exit(f"error: still held, and no Job is left to release them: {held}")
                waiting.remove(job)
                pod = job["spec"]["template"]["spec"]
                containers = [*pod.get("initContainers", []), *pod["containers"]]
                for index, container in itertools.product(range(job["spec"].get("completions", 1)), containers):
                    steps.append(self._run(job, pod, container, {**api_env, "JOB_COMPLETION_INDEX": str(index)}))
                    if steps[-1].exit_code != 0:
                        return steps
        return steps

    def local(self, path: str) -> Path:
        """Return the local folder of a claim's mount path (`/outputs/...`)."""
        return self.root / path.lstrip("/")

    def _startable(self, job: Manifest) -> bool:
        return not job["spec"].get("suspend") or job["metadata"]["name"] in self.released

    def _run(self, job: Manifest, pod: Manifest, container: Manifest, cluster_env: dict[str, str]) -> Step:
        folders = self._mount(pod, container)
        name = job["metadata"]["name"]
        command = [rewrite(word, folders) for word in [*container["command"], *container.get("args", [])]]
        index = cluster_env.pop("JOB_COMPLETION_INDEX")
        command = [
            word.replace("$(JOB_COMPLETION_INDEX)", index).replace("$$", "$") for word in command
        ]  # as Kubernetes
        print(f"\n== {name} / {container['name']}: {' '.join(command)[:200]}", file=sys.stderr, flush=True)
        env = {key: os.environ[key] for key in ("PATH", "LANG", "SSL_CERT_FILE") if key in os.environ}
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        for variable in container.get("env", []):
            if "value" in variable:
                env[variable["name"]] = rewrite(variable["value"], folders)
        if any("serviceAccountToken" in str(volume) for volume in pod.get("volumes", [])):
            env |= cluster_env
        started_s = time.monotonic()
        exit_code = subprocess.run(command, env=env, check=False, cwd=self.root).returncode
        return Step(name, container["name"], time.monotonic() - started_s, exit_code)

    def _mount(self, pod: Manifest, container: Manifest) -> dict[str, Path]:
        """Create each volume's folder; return mount path -> folder, longest path first."""
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        folders: dict[str, Path] = {}
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"].startswith("/dev/"):
                continue
            folders[mount["mountPath"]] = folder = self.local(mount["mountPath"])
            folder.mkdir(parents=True, exist_ok=True)
        folders = dict(sorted(folders.items(), key=lambda item: -len(item[0])))
        for mount in container.get("volumeMounts", []):
            config_map = volumes[mount["name"]].get("configMap")
            for file, text in self.config_maps[config_map["name"]].items() if config_map else ():
                (folders[mount["mountPath"]] / file).write_text(rewrite(text, folders), encoding="utf-8")
        return folders

    @contextmanager
    def _api(self) -> Iterator[dict[str, str]]:
        """Serve the API calls that read and release a Job; yield the environment variables that point to the server."""
        folder = self.local("/var/run/secrets/kubernetes.io/serviceaccount")
        folder.mkdir(parents=True, exist_ok=True)
        context = loopback_certificate(folder)
        (folder / "token").write_text("of-this-run-only")
        (folder / "namespace").write_text("default")
        released, jobs = self.released, {job["metadata"]["name"]: job for job in self.jobs}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(known=self.name() in jobs)

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = self.name() in jobs and body == {"spec": {"suspend": False}}
                if known:
                    released.add(self.name())
                self.answer(known)

            def name(self) -> str:
                return self.path.partition("?")[0].rpartition("/")[2]

            def answer(self, known: bool) -> None:
                self.send_response(200 if known else 404)
                answer = json.dumps(jobs.get(self.name(), {})).encode()
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": str(server.server_address[1]),
                "VLM_SFT_SERVICE_ACCOUNT_DIR": str(folder),
            }
        finally:
            server.shutdown()
            server.server_close()


def rewrite(text: str, folders: dict[str, Path]) -> str:
    """Replace each mount path in a text by its folder, in one pass; a longer path that starts alike stays as it is."""
    if not folders:
        return text
    paths = "|".join(re.escape(path) for path in folders)  # longest first
    return re.sub(rf"(?<![\w.\-/])({paths})(?![\w.\-])", lambda match: str(folders[match[1]]), text)


def loopback_certificate(folder: Path) -> ssl.SSLContext:
    """Write a throw-away certificate for 127.0.0.1 to ca.crt; return the TLS context of the server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(certificate.public_bytes(pem))
    key_file = folder / "server.key"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", key_file)
    return context
