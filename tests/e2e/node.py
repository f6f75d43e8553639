"""One node: its cgroup, the configuration of containerd, CNI and kubelet, and the removal of their leftovers."""

import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import binaries
import yaml
from network import CONTROL_IP, node_ip, pod_subnet

CGROUP = "vlm-e2e"
CGROUPS = Path("/sys/fs/cgroup")
IMAGES = binaries.CACHE / "containerd"  # kept between runs
PLUGINS = Path("/usr/lib/cni")


def configure(number: int, folder: Path, registry: str) -> Path:
    """Write the configuration of a node's containerd, CNI and kubelet below `folder`; return containerd's socket."""
    (folder / "cni").mkdir(parents=True)
    (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_cni(number, folder)))
    socket = folder / "containerd.sock"
    (folder / "containerd.toml").write_text(_containerd(folder, IMAGES / str(number), socket, registry))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(number, folder, socket)))
    _make_cgroup(f"{CGROUP}/{number}")
    return socket


def _cni(number: int, folder: Path) -> dict[str, object]:
    ipam = {
        "type": "host-local",
        "dataDir": f"{folder}/ipam",
        "ranges": [[{"subnet": pod_subnet(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": ipam}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(number: int, folder: Path, socket: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node_ip(number),
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{number}",
        "failCgroupV1": False,
        "clusterDNS": [CONTROL_IP],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "resolvConf": "/dev/null",
        "healthzPort": 0,
        # Absolute sizes: a percentage of a large, well-filled disk would evict every pod.
        "evictionHard": {"nodefs.available": "1Gi", "imagefs.available": "1Gi", "memory.available": "200Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": f"{folder}/logs",
    }


def _containerd(folder: Path, root: Path, socket: Path, registry: str) -> str:
    return f"""version = 2
root = "{root}"
state = "{folder}/containerd"
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{registry}/pause:e2e"
  # for machines where root may not lower an out-of-memory score
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    discard_unpacked_layers = true
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."{registry}"]
    endpoint = ["http://{registry}"]
"""


def _make_cgroup(name: str) -> None:
    """Create a cgroup in every version 1 hierarchy; cpuset needs its cores and memory nodes set at each level."""
    for controller in CGROUPS.iterdir():
        if not (controller / "cgroup.procs").exists() or controller.name == "unified":
            continue
        folder = controller
        for part in name.split("/"):
            parent, folder = folder, folder / part
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (parent / file).exists():
                    (folder / file).write_text((parent / file).read_text())
    # By default all pods together weigh as much as one process outside.
    (CGROUPS / "cpu" / name.partition("/")[0] / "cpu.shares").write_text("16384")


def remove_cgroups() -> None:
    """Remove the cgroups of all nodes; their processes have ended."""
    for controller in CGROUPS.iterdir():
        _remove(controller / CGROUP)


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for child in folder.iterdir():
            if child.is_dir():
                _remove(child)
        with suppress(OSError):
            folder.rmdir()


def end_pods(socket: Path) -> None:
    """Kill the containers of a node, which would outlive its containerd."""
    ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]

    def run(*words: str) -> str:
        return subprocess.run([*ctr, *words], capture_output=True, text=True, check=False).stdout

    tasks = run("tasks", "ls", "-q").split()
    for task in tasks:
        run("tasks", "kill", "--signal", "SIGKILL", task)
    time.sleep(1)
    for task in tasks:
        run("tasks", "rm", "-f", task)
    for container in run("containers", "ls", "-q").split():
        run("containers", "rm", container)
