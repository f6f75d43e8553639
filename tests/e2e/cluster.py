"""A Kubernetes cluster on this machine, without Docker: control plane and kubelets in network namespaces.

It needs root. The commands are built from pinned Go modules (binaries.py); containerd, runc and CNI plugins come from
Debian's packages. Two kubelets in two namespaces are two nodes, each with its own containerd.
"""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import binaries
import image
import network
import node
import volumes
import yaml
from network import API_SERVICE_IP, CONTROL, CONTROL_IP, SERVICES, inside, node_ip, node_name
from processes import Processes

STATE = Path("/run/vlm-e2e")  # short: a Unix socket's path has at most 107 characters
REGISTRY = f"{CONTROL_IP}:5000"
DEBIAN = {
    "containerd": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "docker-registry": "docker-registry",
    "openssl": "openssl",
}


class Cluster:
    """Processes of a running cluster; `stop` ends them and removes their leftovers."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.processes = Processes(STATE)
        self.namespaces_before = network.listed()
        self.token = secrets.token_hex(16)
        self.kubeconfig = STATE / "admin.kubeconfig"

    def start(self) -> None:
        """Start everything and wait until the nodes are ready.

        Raises:
            SystemExit: a command is missing, a process ended, or something is not ready in time.
        """
        missing = sorted({package for command, package in DEBIAN.items() if not shutil.which(command)})
        if not (node.PLUGINS / "bridge").exists():
            missing.append("containernetworking-plugins")
        if missing:
            sys.exit(f"error: {', '.join(missing)}: not installed; apt-get install {' '.join(missing)}")
        binaries.build(*binaries.PACKAGES, "coredns")
        shutil.rmtree(STATE, ignore_errors=True)
        STATE.mkdir(mode=0o700)
        network.make(self.nodes)
        self._certificates()
        self._control_plane()
        for number in range(1, self.nodes + 1):
            self._node(number)
        self._proxy(CONTROL, CONTROL_IP)
        self._dns()
        self._registry()
        image.push_command("pause", ["/usr/bin/sleep", "infinity"], REGISTRY)
        self.processes.wait("the nodes are ready", 120, self._nodes_ready)
        self.apply(volumes.make(self.nodes))

    def stop(self) -> None:
        """End every process, pod and namespace of the cluster."""
        self.processes.stop(lambda name: node.end_pods(_socket(name)) if name.startswith("containerd-") else None)
        for folder in (STATE, node.IMAGES, volumes.FOLDER, image.STORE):
            _unmount_below(folder)
        network.remove(self.namespaces_before)
        node.remove_cgroups()
        shutil.rmtree(volumes.FOLDER, ignore_errors=True)

    def _certificates(self) -> None:
        """Make one authority and the API server's certificate; clients bring a token."""
        (STATE / "san").write_text(
            f"subjectAltName=IP:{CONTROL_IP},IP:{API_SERVICE_IP},IP:127.0.0.1,DNS:kubernetes.default.svc\n"
        )
        key = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
        authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
        sign = ["openssl", "x509", "-req", "-days", "30", *authority, "-extfile", "san"]
        for command in (
            [*key, "-x509", "-days", "30", "-subj", "/CN=vlm-e2e", "-keyout", "ca.key", "-out", "ca.crt"],
            [*key, "-subj", "/CN=kube-apiserver", "-keyout", "api.key", "-out", "api.csr"],
            [*sign, "-in", "api.csr", "-out", "api.crt"],
            ["openssl", "genrsa", "-out", "sa.key", "2048"],
        ):
            subprocess.run(command, cwd=STATE, check=True, capture_output=True)

    def _control_plane(self) -> None:
        (STATE / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        _write_kubeconfig(self.kubeconfig, self.token)
        bin_ = binaries.folder()
        client, peer = f"http://{CONTROL_IP}:2379", f"http://{CONTROL_IP}:2380"
        self.processes.start("etcd", CONTROL, [
            str(bin_ / "etcd"), f"--data-dir={STATE}/etcd", "--unsafe-no-fsync", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ])  # fmt: skip
        self.processes.start("kube-apiserver", CONTROL, [
            str(bin_ / "kube-apiserver"), f"--etcd-servers={client}", f"--bind-address={CONTROL_IP}",
            f"--advertise-address={CONTROL_IP}", "--secure-port=6443", f"--token-auth-file={STATE}/tokens.csv",
            f"--tls-cert-file={STATE}/api.crt", f"--tls-private-key-file={STATE}/api.key", "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={SERVICES}", f"--service-account-issuer=https://{API_SERVICE_IP}",
            f"--service-account-key-file={STATE}/sa.key", f"--service-account-signing-key-file={STATE}/sa.key",
            "--kubelet-preferred-address-types=InternalIP", "--enable-aggregator-routing", "--allow-privileged",
        ])  # fmt: skip
        self.processes.wait("the API server is ready", 90, lambda: self.kubectl("get", "--raw", "/readyz") == "ok")
        self.processes.start("kube-controller-manager", CONTROL, [
            str(bin_ / "kube-controller-manager"), f"--kubeconfig={self.kubeconfig}", f"--root-ca-file={STATE}/ca.crt",
            f"--service-account-private-key-file={STATE}/sa.key", "--leader-elect=false", "--bind-address=127.0.0.1",
        ])  # fmt: skip
        self.processes.start("kube-scheduler", CONTROL, [
            str(bin_ / "kube-scheduler"), f"--kubeconfig={self.kubeconfig}", "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ])  # fmt: skip

    def _dns(self) -> None:
        (STATE / "Corefile").write_text(
            f".:53 {{\n  bind {CONTROL_IP}\n  errors\n  kubernetes cluster.local {{\n    kubeconfig {self.kubeconfig}\n"
            "    ttl 5\n  }\n}\n"
        )
        self.processes.start("coredns", CONTROL, [str(binaries.command("coredns")), "-conf", f"{STATE}/Corefile"])

    def _registry(self) -> None:
        (STATE / "registry.yml").write_text(yaml.safe_dump({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(binaries.CACHE / "registry")}},
            "http": {"addr": REGISTRY},
        }))  # fmt: skip
        self.processes.start("registry", CONTROL, ["docker-registry", "serve", f"{STATE}/registry.yml"])

    def _node(self, number: int) -> None:
        name, folder = node_name(number), STATE / str(number)
        socket = node.configure(number, folder, REGISTRY)
        self.processes.start(f"containerd-{number}", name, ["containerd", "--config", f"{folder}/containerd.toml"])
        self.processes.wait(f"containerd of {name} answers", 30, socket.exists)
        self.processes.start(f"kubelet-{number}", name, [
            str(binaries.folder() / "kubelet"), f"--config={folder}/kubelet.yaml", f"--kubeconfig={self.kubeconfig}",
            f"--root-dir={folder}/kubelet", f"--hostname-override={name}", f"--node-ip={node_ip(number)}",
        ])  # fmt: skip
        self._proxy(name, node_ip(number))

    def _proxy(self, namespace: str, address: str) -> None:
        config = STATE / f"proxy-{address}.yaml"
        config.write_text(yaml.safe_dump({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
            "clientConnection": {"kubeconfig": str(self.kubeconfig)}, "hostnameOverride": namespace,
            "clusterCIDR": "10.244.0.0/16", "healthzBindAddress": f"{address}:10256",
            "metricsBindAddress": "127.0.0.1:10249", "conntrack": {"maxPerCore": 0},
        }))  # fmt: skip
        self.processes.start(
            f"kube-proxy-{address}", namespace, [str(binaries.folder() / "kube-proxy"), f"--config={config}"]
        )

    def _nodes_ready(self) -> bool:
        jsonpath = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
        return self.kubectl("get", "nodes", "-o", f"jsonpath={jsonpath}").split() == ["True"] * self.nodes

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl as the cluster's admin inside its network; return its output, stripped."""
        command = inside(CONTROL, [str(binaries.folder() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words])
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def apply(self, manifests: Sequence[object]) -> None:
        """Apply manifests."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))


def _write_kubeconfig(path: Path, token: str) -> None:
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {
            "server": f"https://{CONTROL_IP}:6443", "certificate-authority": f"{STATE}/ca.crt"}}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
    }))  # fmt: skip
    path.chmod(0o600)


def _socket(containerd: str) -> Path:
    return STATE / containerd.rpartition("-")[2] / "containerd.sock"


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", mount], check=False)
