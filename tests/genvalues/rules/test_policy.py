"""The policies in values/clusters/policies: each rule is reported where a values file breaks it, and only there."""

# ruff: noqa: E501 - messages are compared whole

from pathlib import Path

import pytest
from vlm_sft.errors import UserError
from vlm_sft.genvalues.experiment import load_experiment
from vlm_sft.genvalues.rules.policy import load_policy
from vlm_sft.genvalues.values.chart import load_chart
from vlm_sft.genvalues.values.helm import Setting

ROOT = Path(__file__).parents[3]
CLUSTERS = sorted((ROOT / "values" / "clusters").glob("*.yaml"))
POLICIES = "https://nrp.ai/documentation/userdocs/start/policies"
GPU_PODS = "https://nrp.ai/documentation/userdocs/running/gpu-pods"
SPECIAL = "https://nrp.ai/documentation/userdocs/running/special"
BARE = f"NRP Nautilus: a pod without a Job gets 2 GPUs, 32 GB and 16 cores at most ({POLICIES})"
ZERO = f"NRP Nautilus: the quota of these GPUs is zero unless granted; request it, or set scheduling.priorityClassName to opportunistic ({GPU_PODS})"
BAND = f"NRP Nautilus: limits may exceed requests by at most 20 %; raise the request, or lower the limit ({POLICIES})"
QUEUE = "kueue.queueName: got empty; EIDF: a Job without a queue label is refused; set the queue of your namespace, NAMESPACE-user-queue (https://docs.eidf.ac.uk/services/gpuservice/kueue)"


def said(cluster: str, experiment: str, *settings: str) -> list[str]:
    chosen = [Setting("--set-json" if "=[" in text or "={" in text else "--set", text) for text in settings]
    overlay, file = ROOT / "values/clusters" / f"{cluster}.yaml", ROOT / "values" / f"{experiment}.yaml"
    problems = load_experiment(load_chart(ROOT / "charts/vlm-sft"), file, [overlay], chosen).problems
    assert {problem.severity for problem in problems} <= {"warning"}, problems
    assert all(problem.rule == "policy" for problem in problems), problems
    return [problem.text for problem in problems]


def band(workload: str, *parts: str) -> list[str]:
    """Return the messages for limits: "cpu 64 38.4" is a limit of 64 where 38.4 is the most."""
    each = [part.split() for part in parts]
    return [f"{workload}.resources.limits.{name}: {limit} is more than {most} (1.2 x {workload}.resources.requests.{name}); {BAND}"
            for name, limit, most in each]  # fmt: skip


LARGE, WHOLE_NODE = ("cpu 64 38.4", "memory 256Gi 153.6Gi"), ("cpu 64 38.4", "memory 512Gi 307.2Gi")
EXPECTED = {
    **{("nautilus", name): band("train", *LARGE) for name in ("fire-4gpu", "fire-4gpu-steps", "volcano-4gpu")},
    **{
        ("nautilus", name): band("train", *WHOLE_NODE)
        for name in ("geo3k-8gpu-fsdp", "geo3k-8gpu-megatron", "robo2vlm-8gpu")
    },
    ("nautilus", "qwen3-8b-1gpu"): band("train", "cpu 8 4.8", "memory 64Gi 38.4Gi"),
    ("nautilus", "qwen3-8b-2gpu"): band("train", "cpu 16 9.6", "memory 64Gi 38.4Gi"),
    ("nautilus", "smoke"): [
        *band("prepare", "cpu 2 1.2", "memory 2Gi 1.2Gi"),
        *band("train", "memory 8Gi 7.2Gi"),
        *band("evaluate", "cpu 2 1.2", "memory 6Gi 4.8Gi"),
        *band("export", "cpu 2 1.2", "memory 4Gi 2.4Gi"),
        *band("ddpCheck", "cpu 2 1.2", "memory 4Gi 2.4Gi"),
    ],
    # A pod without a Job needs no queue.
    **{("eidf", path.stem): [QUEUE] for path in (ROOT / "values").glob("*.yaml") if path.stem != "jupyter-2gpu"},
}


@pytest.mark.parametrize("cluster", [path.stem for path in CLUSTERS])
def test_each_experiment_is_right_on_each_cluster_but_for_the_policies_that_it_breaks(cluster: str) -> None:
    for experiment in sorted(path.stem for path in (ROOT / "values").glob("*.yaml")):
        assert said(cluster, experiment) == EXPECTED.get((cluster, experiment), []), experiment


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["jupyter.activeDeadlineSeconds=21601"], [f"jupyter.activeDeadlineSeconds: 21601 is more than 21600; NRP Nautilus: a pod without a Job is destroyed after six hours ({POLICIES})"]),
        (["jupyter.gpus=3"], [f"jupyter.gpus: 3 is more than 2; {BARE}"]),
        (["jupyter.resources.limits.memory=33Gi"], [f"jupyter.resources.limits.memory: 33Gi is more than 32Gi; {BARE}"]),
        (["jupyter.resources.limits.cpu=16500m"], [f"jupyter.resources.limits.cpu: 16500m is more than 16; {BARE}"]),
        (["gpu.resourceName=nvidia.com/a1000"], [f"gpu.resourceName: got nvidia.com/a1000, need one of nvidia.com/gpu, nvidia.com/a40, nvidia.com/a100, nvidia.com/rtxa6000, nvidia.com/rtx8000, nvidia.com/h100, nvidia.com/h200, nvidia.com/rtx6000bw, nvidia.com/gh200, nvidia.com/mig-small; NRP Nautilus: no node offers that resource; use one of NRP's names ({GPU_PODS})"]),
        (["gpu.nodeSelector.nvidia\\.com/gpu\\.product=NVIDIA-RTX-A6000"], [f"gpu.resourceName: got nvidia.com/a100, but NVIDIA-RTX-A6000 needs nvidia.com/rtxa6000; NRP Nautilus: the GPU in gpu.nodeSelector has another resource name ({GPU_PODS})"]),
        (["gpu.nodeSelector.nvidia\\.com/gpu\\.product=NVIDIA-L40", "gpu.resourceName=nvidia.com/gpu"], []),
        (["scheduling.priorityClassName="], [f"gpu.resourceName: got nvidia.com/a100; {ZERO}"]),
        (["scheduling.priorityClassName=normal", "gpu.resourceName=nvidia.com/h200"], [f"gpu.resourceName: got nvidia.com/h200; {ZERO}"]),
        (["scheduling.priorityClassName=", "gpu.resourceName=nvidia.com/a40"], []),
        (["scheduling.priorityClassName=", "jupyter.gpus=0"], []),  # no pod asks for a GPU
        (['gpu.tolerations=[{"key": "nautilus.io/issue", "operator": "Exists"}]'], [f"gpu.tolerations: got nautilus.io/issue; NRP Nautilus: this taint may not be tolerated; remove the toleration ({SPECIAL})"]),
        (['scheduling.tolerations=[{"key": "nautilus.io/system", "operator": "Exists"}]'], [f"scheduling.tolerations: got nautilus.io/system; NRP Nautilus: this taint may not be tolerated; remove the toleration ({SPECIAL})"]),
        (['gpu.tolerations=[{"key": "nautilus.io/reservation", "value": "mine"}]'], []),
        (["jupyter.enabled=false", "jupyter.gpus=3"], []),
    ],
)  # fmt: skip
def test_nautilus_reports_what_a_notebook_may_not_do(settings: list[str], expected: list[str]) -> None:
    assert said("nautilus", "jupyter-2gpu", *settings) == expected


def test_nautilus_reports_what_a_job_may_not_do() -> None:
    even = ["train.resources.limits.cpu=38", "train.resources.limits.memory=128Gi"]
    commands = 'prepare.commands=[["sh", "-c", "sleep infinity"]]'
    assert said("nautilus", "fire-4gpu", *even) == []
    assert said("nautilus", "fire-4gpu", *even, commands) == [
        f"prepare.commands: got sleep infinity; NRP Nautilus: Jobs that sleep are banned; use the Jupyter pod for interactive work ({POLICIES})"
    ]
    assert said("nautilus", "fire-4gpu", *even, "train.gpusPerNode=16", "train.gradientAccumulationSteps=4") == [
        f"train.gpusPerNode: 16 is more than 8; NRP Nautilus: no node has more than 8 GPUs; use train.nodes ({GPU_PODS})"
    ]


def test_a_policy_holds_with_its_overlay_only() -> None:
    settings = [Setting("--set", "jupyter.gpus=3"), Setting("--set", "gpu.resourceName=nvidia.com/a100")]
    file = ROOT / "values/jupyter-2gpu.yaml"
    assert load_experiment(load_chart(ROOT / "charts/vlm-sft"), file, [], settings).problems == []


def test_a_warning_of_a_policy_points_at_the_line_that_breaks_it() -> None:
    chart, overlay = load_chart(ROOT / "charts/vlm-sft"), ROOT / "values/clusters/nautilus.yaml"
    problems = load_experiment(chart, ROOT / "values/fire-4gpu.yaml", [overlay], []).problems
    line = (ROOT / "values/fire-4gpu.yaml").read_text().splitlines()[problems[0].line - 1]
    assert line == "    limits: {cpu: 64, memory: 256Gi}"


@pytest.mark.parametrize("rule", ["{key: a, say: b, source: c}", "{key: a, say: b, source: c, atMots: 1}",
                                  "{key: a, say: b, atMost: 1}", "{key: a, say: b, source: c, atMost: 1, never: x}"])  # fmt: skip
def test_a_rule_that_is_no_rule_is_refused(rule: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"cluster: X\nrules: [{rule}]\n")
    with pytest.raises(
        UserError, match=r"p\.yaml: rule 1 needs key, say, source and one of atMost, lookup, matches, never, oneOf"
    ):
        load_policy(tmp_path / "p.yaml")
