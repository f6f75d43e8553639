"""The guarantees of the chart, step by step in real pods. Each function is a step; its name states the guarantee."""

import fnmatch
import json
import tempfile
from pathlib import Path

from client import Client, NotHereError, StepError
from facts import (
    READER,
    TRAINED_S,
    ask,
    check,
    identities,
    index,
    job_name,
    read_report,
    require,
    reserved,
    run_dir,
    running,
    start_reader,
    wait_for_step,
    workload,
)

ROOT = Path(__file__).parents[2]
SMOKE = ("-f", str(ROOT / "values" / "smoke.yaml"))
PREPARED_S, EVALUATED_S = 300, 300  # on two cores shared with other pods
SHARED = ("--set", "storage.cache.existingClaim=smoke-cache,storage.outputs.existingClaim=smoke-outputs")


def a_wrong_values_file_is_refused_and_nothing_is_created(k: Client) -> None:
    before = k.kubectl("get", "all,pvc,configmap,role", "-o", "name")
    for wrong, message in (
        ("train.gpuPerNode=2", "gpuPerNode"),
        ("train.effectiveBatchSize=5", "5 is not a multiple of 2 (1 per GPU x 2 processes); use 4 or 6"),
    ):
        try:
            k.deploy("wrong", *SMOKE, "--set", wrong)
        except StepError as error:
            check(f"the error of --set {wrong} is clear", message in str(error), True)
        else:
            raise StepError(f"--set {wrong} was installed")
    check("nothing was created", k.kubectl("get", "all,pvc,configmap,role", "-o", "name"), before)


def training_waits_suspended_while_preparation_runs(k: Client) -> None:
    k.deploy("smoke", *SMOKE)
    check("training is held", k.job("smoke", "train")["spec"]["suspend"], True)
    check("evaluation is held", k.job("smoke", "evaluate")["spec"]["suspend"], True)
    check("no training pod exists", k.pods("smoke", "train"), [])
    k.wait("the preparation pod exists", 60, lambda: k.pods("smoke", "prepare"))
    k.wait_for_job("smoke", "prepare", PREPARED_S)
    k.wait("training is released", 20, lambda: not k.job("smoke", "train")["spec"].get("suspend"))


def training_evaluation_and_export_complete_in_real_pods(k: Client) -> None:
    k.wait_for_job("smoke", "train", TRAINED_S)
    k.wait_for_job("smoke", "evaluate", EVALUATED_S)
    k.wait_for_job("smoke", "export", EVALUATED_S)


def adapter_report_curves_and_scores_are_on_the_outputs_claim(k: Client) -> None:
    start_reader(k, "smoke-outputs")
    run = run_dir(k, "smoke")
    files = k.kubectl("exec", READER, "--", "find", run, "-type", "f").splitlines()
    for name in (
        "run_report.json",
        "checkpoint-40/adapter_model.safetensors",
        "logging.jsonl",
        "images/train_loss.png",
        "evaluation/text/*/metrics.json",
        "export/model.safetensors",
    ):
        check(f"{name} exists", bool(fnmatch.filter(files, f"{run}/{name}")), True)
    report = read_report(k, "smoke")
    check("status", report["status"], "finished")
    check("effective batch size", report["effective_batch_size"], 4)
    check("the ranks form one group", report["ddp"]["ranks_in_all_reduce"], 2)
    check("the loss fell", report["last_loss"] < 0.98 * report["first_loss"], True)


def an_upgrade_with_the_same_values_changes_nothing(k: Client) -> None:
    before = identities(k, "smoke")
    k.deploy("smoke", *SMOKE)
    check("the Jobs are the same objects", identities(k, "smoke"), before)


def a_finished_run_is_served_and_its_curves_are_shown(k: Client) -> None:
    run, before = run_dir(k, "smoke"), identities(k, "smoke")
    small = "resources.requests.cpu=500m,serve.resources.requests.memory=2Gi,serve.resources.limits.memory=4Gi"
    options = f"serve.enabled=true,serve.model={run},serve.shmSize=256Mi,serve.{small},tensorboard.enabled=true"
    k.deploy("smoke", *SMOKE, "--set", options)
    for name in ("serve", "tensorboard"):
        k.kubectl("rollout", "status", f"deployment/smoke-{name}", "--timeout=600s")
    check("the Jobs are the same objects", identities(k, "smoke"), before)
    request = {"model": "smoke", "max_tokens": 4, "messages": [{"role": "user", "content": "What is it?"}]}
    answer = ask(k, "http://smoke-serve:8000/v1/chat/completions", request)
    check("the answer is text", [type(c["message"]["content"]) for c in answer["choices"]], [str])
    shown = ask(k, "http://smoke-tensorboard:6006/data/runs")
    check("the curves of the run are shown", any(name.startswith(run.rpartition("/")[2]) for name in shown), True)
    k.deploy("smoke", *SMOKE)
    k.wait("the server is gone", 120, lambda: not k.pods("smoke", "serve") + k.pods("smoke", "tensorboard"))


def two_nodes_train_as_one_group(k: Client) -> None:
    k.deploy("nodes", *SMOKE, *TWO_NODES)
    k.wait_for_job("nodes", "prepare", PREPARED_S)
    k.wait("two pods run", 180, lambda: len(running(k, "nodes")) == 2)
    hosts = {pod["spec"]["nodeName"] for pod in k.pods("nodes", "train")}
    k.wait_for_job("nodes", "train", TRAINED_S)
    report = read_report(k, "nodes")
    check("one group of two ranks", (report["world_size"], report["ddp"]["ranks_in_all_reduce"]), (2, 2))
    check("effective batch size", report["effective_batch_size"], 4)
    check("a pod on each node", len(hosts), min(2, len(k.get("nodes"))))
    check("the loss fell", report["last_loss"] < 0.98 * report["first_loss"], True)


# One thread per process everywhere, or sums round differently: torchrun sets it only for several processes per node.
LONG = (
    "--set",
    "train.args.max_steps=160,train.args.save_steps=40,train.args.eval_steps=160,train.env.OMP_NUM_THREADS=1",
)
TWO_NODES = (
    *SHARED,
    *LONG,
    "--set", "evaluate.enabled=false,export.enabled=false,train.nodes=2,train.gpusPerNode=1",
    "--set", "train.resources.requests.cpu=500m,train.resources.requests.memory=2Gi",
)  # fmt: skip


def a_deleted_training_pod_is_resumed_to_the_same_loss(k: Client) -> None:
    options = (*SMOKE, *SHARED, *LONG, "--set", "evaluate.enabled=false,export.enabled=false")
    k.deploy("second", *options)
    check(
        "the second release creates no claims",
        [c for c in k.kubectl("get", "pvc", "-o", "name").split() if "second-" in c],
        [],
    )
    k.wait_for_job("second", "prepare", PREPARED_S)
    log = k.kubectl("logs", f"job/{job_name(k, 'second', 'prepare')}", "-c", "data")
    check("the prepared data is reused", "already finished" in log, True)
    pod = wait_for_step(k, "second", 10)
    before = identities(k, "second")
    k.deploy("second", *options)
    check("an upgrade during training keeps the Jobs", identities(k, "second"), before)
    check("and the pod", [p["metadata"]["name"] for p in k.pods("second", "train")], [pod])
    k.kubectl("delete", "pod", pod, "--wait=false")
    k.wait("a new pod exists", 120, lambda: [p for p in k.pods("second", "train") if p["metadata"]["name"] != pod])
    k.wait_for_job("second", "train", TRAINED_S)
    report = read_report(k, "second")
    check("the run resumed", "/checkpoint-" in (report["resumed_from"] or ""), True)
    check("the final loss of an undisturbed run", report["last_loss"], read_report(k, "nodes")["last_loss"])


def when_one_of_two_pods_dies_both_restart_and_resume(k: Client) -> None:
    k.deploy("lost", *SMOKE, *TWO_NODES)
    k.wait_for_job("lost", "prepare", PREPARED_S)
    wait_for_step(k, "lost", 45)
    victim = next(p["metadata"]["name"] for p in k.pods("lost", "train") if index(p) == "1")
    k.kubectl("exec", victim, "--", "sh", "-c", "kill -9 -1")  # all but process 1, which ignores the signal
    k.wait_for_job("lost", "train", TRAINED_S)
    report = read_report(k, "lost")
    check("the run resumed", "/checkpoint-" in (report["resumed_from"] or ""), True)
    check("the final loss of an undisturbed run", report["last_loss"], read_report(k, "nodes")["last_loss"])


def an_indexed_preparation_repeats_only_the_killed_pod_and_writes_what_one_pod_writes(k: Client) -> None:
    parts = "prepare.shards=3,prepare.outputDir=/outputs/parts,evaluate.enabled=false,export.enabled=false"
    k.deploy("parts", *SMOKE, *SHARED, "--set", f"{parts},train.args.max_steps=10")
    check("the conversion is held", k.job("parts", "convert")["spec"]["suspend"], True)
    k.wait_for_job("parts", "prepare", PREPARED_S)
    k.wait("a pod for each part exists", 60, lambda: len(k.pods("parts", "convert")) == 3)
    first = {index(pod): pod["metadata"]["name"] for pod in k.pods("parts", "convert")}
    k.kubectl("delete", "pod", first["1"], "--grace-period=1", "--wait=false")
    check("training is held", k.job("parts", "train")["spec"]["suspend"], True)
    k.wait_for_job("parts", "convert", PREPARED_S)
    finished = [pod for pod in k.pods("parts", "convert") if pod["status"]["phase"] == "Succeeded"]
    names = {index(pod): pod["metadata"]["name"] for pod in finished}
    check("the pods of the other parts are the first ones", (names["0"], names["2"]), (first["0"], first["2"]))
    check("the killed pod has a successor", names["1"] != first["1"], True)
    check("pods on each node", len({pod["spec"]["nodeName"] for pod in finished}), min(2, len(k.get("nodes"))))
    for split in ("train", "test"):
        files = (f"/outputs/{folder}/fire_bc_{split}.jsonl" for folder in ("parts", "fire_bc"))
        sums = k.kubectl("exec", READER, "--", "sha256sum", *files).split()
        check(f"the bytes of {split} are those of one pod", sums[0], sums[2])
    left = k.kubectl("exec", READER, "--", "find", "/outputs/parts", "-name", "*shard-*")
    check("no part is left", left, "")
    k.wait("training is released", 60, lambda: not k.job("parts", "train")["spec"].get("suspend"))
    k.wait_for_job("parts", "train", TRAINED_S)


def own_data_goes_in_and_results_come_out_through_the_data_pod(k: Client) -> None:
    pod_only = (
        "dataPod.enabled=true,prepare.enabled=false,train.enabled=false,evaluate.enabled=false,export.enabled=false"
    )
    k.deploy("mine", *SMOKE, *SHARED, "--set", pod_only)
    k.wait("the data pod runs", 120, lambda: running(k, "mine", "data"))
    pod = running(k, "mine", "data")[0]["metadata"]["name"]
    with tempfile.TemporaryDirectory() as name:
        mine = Path(name) / "mydata"
        mine.mkdir()
        for split in ("train", "test"):
            rows = [{"prompt": f"{split} {n}?", "completion": f"It is {n}."} for n in range(16)]
            (mine / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        k.kubectl("cp", str(mine), f"{pod}:/outputs/mydata")
        said = k.kubectl("exec", pod, "--", "vlm-sft", "check", "/outputs/mydata/train.jsonl")
        check("the check finds 16 rows", "16 rows" in said, True)
        own = "prepare.dataset=jsonl,prepare.input=/outputs/mydata,prepare.splits={train,test}"
        short = "dataPod.enabled=true,evaluate.enabled=false,export.enabled=false,train.args.max_steps=4"
        k.deploy("mine", *SMOKE, *SHARED, "--set", f"{own},prepare.imageRoots={{/outputs/mydata}},{short}")
        k.wait_for_job("mine", "prepare", PREPARED_S)
        k.wait_for_job("mine", "train", TRAINED_S)
        k.kubectl("cp", f"{pod}:{run_dir(k, 'mine')}/checkpoint-4", str(Path(name) / "results"))
        copied = {path.name for path in (Path(name) / "results").iterdir()}
    check("the adapter is on this machine", "adapter_model.safetensors" in copied, True)


def other_logging_one_process_and_more_steps_continue_the_run(k: Client) -> None:
    def options(more: str) -> tuple[str, ...]:
        short = "evaluate.enabled=false,export.enabled=false,train.args.lr_scheduler_type=constant"
        return (*SMOKE, *SHARED, "--set", f"{short},{more}")

    k.deploy("grown", *options("train.args.max_steps=6"))
    k.wait_for_job("grown", "prepare", PREPARED_S)
    k.wait_for_job("grown", "train", TRAINED_S)
    first, run = job_name(k, "grown", "train"), run_dir(k, "grown")
    k.deploy("grown", *options("train.args.max_steps=12,train.gpusPerNode=1,train.args.logging_steps=2"))
    check("another Job", job_name(k, "grown", "train") != first, True)
    check("the same run directory", run_dir(k, "grown"), run)
    k.wait_for_job("grown", "train", TRAINED_S)
    report = read_report(k, "grown")
    check("the run resumed", report["resumed_from"], f"{run}/checkpoint-6")
    check("steps and batch", (report["steps"], report["world_size"], report["effective_batch_size"]), (12, 1, 4))


def another_learning_rate_is_another_run(k: Client) -> None:
    first, run = job_name(k, "smoke", "train"), run_dir(k, "smoke")
    k.deploy("smoke", *SMOKE, "--set", "train.args.learning_rate=0.01")
    check("another Job", job_name(k, "smoke", "train") != first, True)
    check("another run directory", run_dir(k, "smoke") != run, True)
    k.wait_for_job("smoke", "prepare", PREPARED_S)
    log = k.kubectl("logs", f"job/{job_name(k, 'smoke', 'prepare')}", "-c", "data")
    check("the data is not prepared again", "already finished" in log, True)
    k.wait_for_job("smoke", "train", TRAINED_S)
    check("the report of the first run still exists", read_report(k, "smoke", run)["status"], "finished")


def a_rollback_restores_the_first_run_without_training_again(k: Client) -> None:
    k.helm("rollback", "smoke", "1")
    k.wait("the first training is released", 120, lambda: not k.job("smoke", "train")["spec"].get("suspend"))
    k.wait_for_job("smoke", "train", 180)
    log = k.kubectl("logs", f"job/{job_name(k, 'smoke', 'train')}")
    check("the log reports a finished run", "already finished" in log, True)


def helm_test_passes(k: Client) -> None:
    k.deploy("smoke", *SMOKE, "--set", "ddpCheck.enabled=true")
    k.helm("test", "smoke", "--timeout", "10m")
    log = k.kubectl("logs", "job/smoke-ddp-check")
    check("the log shows the all-reduce bandwidth", "GiB/s" in log, True)


def kueue_reserves_no_quota_before_the_data_is_ready(k: Client) -> None:
    require(k, "clusterqueues.kueue.x-k8s.io")
    k.kubectl("apply", "-f", "-", stdin=QUEUE.format(namespace=k.namespace))
    options = queued(k, "queued", "gate")
    k.wait("the workload of training exists", 60, lambda: workload(k, "queued", "train"))
    check("training has no quota while preparation runs", reserved(workload(k, "queued", "train")), False)
    admitted_once_prepared(k, "queued", options)


def kueue_ignores_a_job_until_it_gets_its_queue_label(k: Client) -> None:
    require(k, "clusterqueues.kueue.x-k8s.io")
    options = queued(k, "late", "label")
    job = k.job("late", "train")
    check("training has no queue yet", "kueue.x-k8s.io/queue-name" in job["metadata"]["labels"], False)
    check("it is held", job["spec"]["suspend"], True)
    check("Kueue created no workload for it", workload(k, "late", "train"), None)
    admitted_once_prepared(k, "late", options)


def queued(k: Client, release: str, hold: str) -> tuple[str, ...]:
    """Deploy a short run into the queue; return the options."""
    kueue = f"kueue.queueName=research,kueue.hold={hold},prepare.outputDir=/outputs/{release},train.args.max_steps=10"
    options = (*SMOKE, *SHARED, "--set", f"evaluate.enabled=false,export.enabled=false,{kueue}")
    k.deploy(release, *options)
    return options


def admitted_once_prepared(k: Client, release: str, options: tuple[str, ...]) -> None:
    """Wait for the end of a queued release; an upgrade in between changes nothing."""
    check("no training pod exists", k.pods(release, "train"), [])
    k.wait_for_job(release, "prepare", PREPARED_S)
    k.wait(
        "quota is reserved for training",
        120,
        lambda: (found := workload(k, release, "train")) and reserved(found),
    )
    before = identities(k, release)
    k.deploy(release, *options)
    check("an upgrade keeps the admitted Jobs", identities(k, release), before)
    k.wait_for_job(release, "train", TRAINED_S)


QUEUE = """
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {{name: any}}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {{name: research}}
spec:
  namespaceSelector: {{}}
  resourceGroups:
    - coveredResources: [cpu, memory]
      flavors: [{{name: any, resources: [{{name: cpu, nominalQuota: 4}}, {{name: memory, nominalQuota: 16Gi}}]}}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {{name: research, namespace: {namespace}}}
spec: {{clusterQueue: research}}
"""


def jobset_trains_on_two_nodes(k: Client) -> None:
    require(k, "jobsets.jobset.x-k8s.io")
    k.deploy("set", *SMOKE, *TWO_NODES, "--set", "train.launcher=jobset")
    k.wait_for_job("set", "prepare", PREPARED_S)
    k.wait("two pods run", 180, lambda: len(running(k, "set")) == 2)
    (jobset,) = k.get("jobsets.jobset.x-k8s.io", selector="app.kubernetes.io/instance=set")
    k.kubectl("wait", "--for=condition=Completed", f"jobset/{jobset['metadata']['name']}", f"--timeout={TRAINED_S}s")
    report = read_report(k, "set", jobset["metadata"]["annotations"]["vlm-sft/run-dir"])
    check("one group of two ranks", (report["world_size"], report["ddp"]["ranks_in_all_reduce"]), (2, 2))
    check("the loss of an Indexed Job", report["last_loss"], read_report(k, "nodes")["last_loss"])


def a_full_outputs_volume_gives_one_clear_line_and_loses_no_checkpoint(k: Client) -> None:
    small = "storage.cache.existingClaim=smoke-cache,storage.outputs.storageClassName=small,storage.outputs.size=128Mi"
    options = "evaluate.enabled=false,export.enabled=false,train.minFreeGib=0,train.maxRestarts=0"
    options += ",train.args.save_steps=10,train.args.max_steps=200,train.args.eval_steps=200"
    if "small" not in k.kubectl("get", "storageclass", "-o", "name"):
        raise NotHereError("the cluster has no storage class `small` with a volume of 128 MiB")
    k.deploy("full", *SMOKE, "--set", small, "--set", options)
    k.wait_for_job("full", "prepare", PREPARED_S)
    start_reader(k, "full-outputs", "filler")
    run = run_dir(k, "full")
    k.wait(
        "a checkpoint exists",
        TRAINED_S,
        lambda: (
            "trainer_state.json" in k.kubectl("exec", "filler", "--", "sh", "-c", f"ls {run}/checkpoint-10 || true")
        ),
    )
    k.kubectl("exec", "filler", "--", "sh", "-c", "head -c 256M /dev/zero > /outputs/ballast || true")
    k.wait_for_job("full", "train", TRAINED_S, "Failed")
    lines = [
        line
        for line in k.kubectl("logs", f"job/{job_name(k, 'full', 'train')}", "--tail=-1").splitlines()
        if line.startswith("error:")
    ]
    check(
        "the error is one clear line",
        (len(lines), "no space left" in lines[0].lower(), "/outputs" in lines[0]),
        (1, True, True),
    )
    k.kubectl("exec", "filler", "--", "rm", "/outputs/ballast")
    k.deploy("full", *SMOKE, "--set", small, "--set", options, "--set", "train.maxRestarts=1")
    k.wait_for_job("full", "train", TRAINED_S)
    check("the run resumed", "/checkpoint-" in (read_report(k, "full", reader="filler")["resumed_from"] or ""), True)


def uninstall_keeps_the_claims_and_a_reinstall_finds_the_run(k: Client) -> None:
    k.helm("uninstall", "smoke", "--wait")
    left = k.kubectl(
        "get",
        "all,pvc,configmap,role,rolebinding,serviceaccount",
        "-l",
        "app.kubernetes.io/instance=smoke",
        "-o",
        "name",
    )
    # The Jobs of `helm test` are hooks, which Helm does not delete; their TTL does.
    kept = sorted(found for found in left.split() if "-check" not in found)
    check("the remaining objects", kept, ["persistentvolumeclaim/smoke-cache", "persistentvolumeclaim/smoke-outputs"])
    k.deploy("smoke", *SMOKE)
    k.wait_for_job("smoke", "prepare", PREPARED_S)
    k.wait_for_job("smoke", "train", 180)
    log = k.kubectl("logs", f"job/{job_name(k, 'smoke', 'train')}")
    check("the finished run is not run again", "already finished" in log, True)
