"""Network namespaces of the test cluster: one for the control plane and one per node, joined by a bridge.

The cluster is not reachable from outside, and pods reach nothing beyond the bridge.

    control 10.245.0.1  --bridge--  node-1 10.245.0.11 (pods 10.244.1.0/24)
                                    node-2 10.245.0.12 (pods 10.244.2.0/24)
"""

import subprocess
from collections.abc import Collection, Sequence

CONTROL = "vlm-e2e-control"
CONTROL_IP = "10.245.0.1"
SERVICES = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"


def node_name(number: int) -> str:
    """Return the name of a node and of its namespace."""
    return f"vlm-e2e-node-{number}"


def node_ip(number: int) -> str:
    """Return the address of a node on the bridge."""
    return f"10.245.0.{10 + number}"


def pod_subnet(number: int) -> str:
    """Return the addresses of a node's pods."""
    return f"10.244.{number}.0/24"


def inside(namespace: str, command: Sequence[str]) -> list[str]:
    """Return a command that runs in a network namespace and in this process's mount namespace."""
    return ["nsenter", f"--net=/run/netns/{namespace}", *command]


def make(nodes: int) -> None:
    """Create the namespaces, the bridge and the routes between all pods; first remove those of an earlier run."""
    remove()
    _ip("netns", "add", CONTROL)
    _in(CONTROL, "link", "set", "lo", "up")
    _in(CONTROL, "link", "add", "br0", "type", "bridge")
    _in(CONTROL, "addr", "add", f"{CONTROL_IP}/24", "dev", "br0")
    _in(CONTROL, "link", "set", "br0", "up")
    for number in range(1, nodes + 1):
        name = node_name(number)
        _ip("netns", "add", name)
        _in(CONTROL, "link", "add", f"node{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _in(CONTROL, "link", "set", f"node{number}", "master", "br0", "up")
        _in(name, "link", "set", "lo", "up")
        _in(name, "addr", "add", f"{node_ip(number)}/24", "dev", "eth0")
        _in(name, "link", "set", "eth0", "up")
        _in(name, "route", "add", "default", "via", CONTROL_IP)
    for namespace in (CONTROL, *(node_name(number) for number in range(1, nodes + 1))):
        # A pod reaches a pod of its own node through a Service only if the packet filter sees the bridge's frames.
        settings = ["net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1"]
        subprocess.run(inside(namespace, ["sysctl", "-qw", *settings]), check=True)
        for number in range(1, nodes + 1):
            if namespace != node_name(number):
                _in(namespace, "route", "add", pod_subnet(number), "via", node_ip(number))


def listed() -> set[str]:
    """Return the names of all network namespaces."""
    output = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in output.splitlines()}


def remove(before: Collection[str] | None = None) -> None:
    """Remove every namespace of the cluster, and those of pods (`cni-...`) that are not in `before`."""
    for name in listed():
        of_a_pod = before is not None and name.startswith("cni-") and name not in before
        if name.startswith("vlm-e2e-") or of_a_pod:
            _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _in(namespace: str, *words: str) -> None:
    _ip("-n", namespace, *words)
