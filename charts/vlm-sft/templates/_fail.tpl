{{/* Every `fail` of the chart: what would make a wrong run. `genvalues` says the same in the same words.
     Each message: key, got, need, way out. All of them are told at once. */}}

{{- define "vlm-sft.check" -}}
{{- $problems := list }}
{{- range list "release" "image" "model" "batch" "parallel" "data" "backend" "storage" "workloads" "resources" "owned" "cluster" }}
{{- range (include (printf "vlm-sft.check.%s" .) $ | fromJsonArray) }}{{ $problems = append $problems . }}{{ end }}
{{- end }}
{{- if $problems }}{{ fail (printf "\n%s" (join "\n" $problems)) }}{{ end }}
{{- end }}

{{- define "vlm-sft.check.release" -}}
{{- $problems := list }}
{{- if gt (len .Release.Name) 40 }}
{{- $problems = append $problems (printf "release name: %s has %d characters, need at most 40 (a pod's hostname must fit 63); choose a shorter one" .Release.Name (len .Release.Name)) }}
{{- else if not (regexMatch "^[a-z][a-z0-9-]*$" .Release.Name) }}
{{- $problems = append $problems (printf "release name: %s, need a letter first and no dot (it becomes the name of a Service); choose another" .Release.Name) }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.image" -}}
{{- $problems := list }}
{{- if and (eq .Values.image.tag "latest") (not .Values.image.digest) (not .Values.image.allowLatest) }}
{{- $problems = append $problems "image.tag: latest, which is another image every day; name a version or image.digest, or set image.allowLatest to true" }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.model" -}}
{{- $problems := list }}
{{- $model := .Values.model }}
{{- $needed := or .Values.train.enabled .Values.evaluate.enabled }}
{{- if and $needed (not $model.id) }}
{{- $problems = append $problems "model.id: empty, need a hub id or a path; e.g. Qwen/Qwen3-VL-8B-Instruct" }}
{{- end }}
{{- if and $model.gated (not .Values.huggingFace.tokenSecret.name) }}
{{- $problems = append $problems (printf "huggingFace.tokenSecret.name: empty, and %s is gated; name a secret that holds a Hugging Face token" $model.id) }}
{{- end }}
{{- $downloaded := and .Values.prepare.enabled $model.download }}
{{- if and $needed .Values.offline $model.id (not (hasPrefix "/" $model.id)) (not $downloaded) }}
{{- $problems = append $problems (printf "offline: true, and nothing downloads %s; set model.id to a path, or model.download and prepare.enabled to true" $model.id) }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.batch" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- $effective := int ($train.effectiveBatchSize | default 0) }}
{{- $accumulation := int ($train.gradientAccumulationSteps | default 0) }}
{{- $gpus := mul (int $train.gpusPerNode) (int $train.nodes) }}
{{- $shared := include "vlm-sft.gpusPerRank" . | int }}
{{- $ranks := div $gpus $shared }}
{{- $perPass := mul (int $train.batchSizePerGpu) $ranks }}
{{- $unit := eq $train.accelerator "cpu" | ternary "processes" "GPUs" }}
{{- $processes := printf "%d %s" (int $train.gpusPerNode) $unit }}
{{- if gt (int $train.nodes) 1 }}{{ $processes = printf "%s x %d nodes" $processes (int $train.nodes) }}{{ end }}
{{- if gt $shared 1 }}{{ $processes = printf "%d data-parallel ranks (%s / %d)" $ranks $processes $shared }}{{ end }}
{{- $product := printf "%d per GPU x %s" (int $train.batchSizePerGpu) $processes }}
{{- if or (not $train.enabled) (mod $gpus $shared) }}
{{- else if and (not $effective) (not $accumulation) }}
{{- $problems = append $problems "train.effectiveBatchSize: not set; give it, or train.gradientAccumulationSteps: ms-swift's own choice depends on the number of GPUs" }}
{{- else if and $effective (mod $effective $perPass) }}
{{- $below := mul (div $effective $perPass) $perPass }}
{{- $nearest := printf "%d or %d" $below (add $below $perPass) }}
{{- if not $below }}{{ $nearest = printf "%d" $perPass }}{{ end }}
{{- $problems = append $problems (printf "train.effectiveBatchSize: %d is not a multiple of %d (%s); use %s" $effective $perPass $product $nearest) }}
{{- else if and $effective $accumulation (ne (int $effective) (int (mul $perPass $accumulation))) }}
{{- $problems = append $problems (printf "train.effectiveBatchSize: got %d, but %s x %d accumulation is %d; correct one, or leave train.gradientAccumulationSteps out" $effective $product $accumulation (mul $perPass $accumulation)) }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.data" -}}
{{- $problems := list }}
{{- $prepare := .Values.prepare }}
{{- if and .Values.train.enabled (not .Values.train.dataset) }}
{{- if not $prepare.dataset }}
{{- $problems = append $problems "train.dataset: empty, and prepare.dataset makes none; name a dataset (a path or a hub id), or prepare one" }}
{{- else if not $prepare.enabled }}
{{- $problems = append $problems (printf "train.dataset: empty, and the preparation of %s is switched off; set prepare.enabled to true, or name the files that an earlier one wrote" $prepare.dataset) }}
{{- else if and (not (has "train" $prepare.splits)) (not (has "1m" $prepare.splits)) }}
{{- $problems = append $problems (printf "prepare.splits: got %s, need train or 1m to train on; add one, or name train.dataset" (join ", " $prepare.splits)) }}
{{- end }}
{{- end }}
{{- if and $prepare.enabled $prepare.dataset (not $prepare.imageRoots) (not $prepare.skipImages) }}
{{- $problems = append $problems "prepare.imageRoots: empty, and prepare.skipImages is false; name the folders that hold the images, or skip them" }}
{{- end }}
{{- $rounds := int $prepare.maxHistoryRounds }}
{{- if and $prepare.enabled $prepare.dataset (eq $prepare.layout "trajectory") (lt $rounds 5) (ne $prepare.loss "last") }}
{{- $problems = append $problems (printf "prepare.maxHistoryRounds: %d, but prepare.loss %s imitates earlier answers too, which prepare.layout trajectory leaves out where it cuts; use layout: steps, or 5 rounds, FIRE's longest" $rounds $prepare.loss) }}
{{- end }}
{{- if .Values.evaluate.enabled }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- if not .Values.train.enabled }}
{{- $problems = append $problems "evaluate.enabled: true, and train.enabled is false; there is no run to evaluate" }}
{{- else if not (or .Values.evaluate.dataset $datasets.val_dataset) }}
{{- $problems = append $problems "evaluate.dataset: empty, and training has no validation set; name one, here or in train.valDataset" }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.backend" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- if and (eq $train.accelerator "cpu") (eq $train.backend "swift") (ne $train.sharding "ddp") }}
{{- $problems = append $problems (printf "train.sharding: got %s, but train.accelerator is cpu, which only ddp runs on; use ddp, or gpu" $train.sharding) }}
{{- end }}
{{- if and $train.enabled (eq $train.sharding "fsdp2") }}
{{- if and .Values.evaluate.enabled (eq (toString (get $train.args "tuner_type")) "full") }}
{{- $problems = append $problems "train.sharding: got fsdp2, whose checkpoints of full tuning are shards, and evaluate.enabled reads whole ones; use zero3, or evaluate.enabled: false" }}
{{- end }}
{{- if eq (toString (get $train.args "save_only_model")) "true" }}
{{- $problems = append $problems "train.args.save_only_model: true, but the shards of train.sharding fsdp2 come with their optimizer; remove it, or use zero3" }}
{{- end }}
{{- end }}
{{- if eq (toString (get $train.args "tuner_type")) "full" }}
{{- range $name, $_ := $train.args }}
{{- if or (hasPrefix "lora_" $name) (eq $name "target_modules") }}
{{- $problems = append $problems (printf "train.args.%s: set, but train.args.tuner_type is full, which has no adapter; remove it, or use tuner_type: lora" $name) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.storage" -}}
{{- $problems := list }}
{{- $nodes := int .Values.train.nodes }}
{{- range $name, $use := dict "cache" "read the model" "outputs" "write checkpoints" }}
{{- $claim := index $.Values.storage $name }}
{{- if and $.Values.train.enabled (gt $nodes 1) (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
{{- $problems = append $problems (printf "storage.%s.accessMode: got %s, but %d nodes %s; use ReadWriteMany, or train.nodes: 1" $name $claim.accessMode $nodes $use) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.workloads" -}}
{{- $problems := list }}
{{- if and .Values.kueue.priorityClass (not .Values.kueue.queueName) }}
{{- $problems = append $problems (printf "kueue.priorityClass: got %s, but kueue.queueName is empty, so that no queue reads it; name the queue, or use scheduling.priorityClassName" .Values.kueue.priorityClass) }}
{{- end }}
{{- $serve := .Values.serve }}
{{- $sync := .Values.sync }}
{{- if and .Values.export.enabled (not .Values.train.enabled) }}
{{- $problems = append $problems "export.enabled: true, and train.enabled is false; there is no run to export; `vlm-sft export RUN_DIR` does it by hand" }}
{{- end }}
{{- if and $serve.enabled (not $serve.model) }}
{{- $problems = append $problems "serve.model: empty, and GPUs do not wait for a training; name the run directory of a finished one, a folder with weights, or a hub id" }}
{{- end }}
{{- if and $serve.enabled (eq $serve.engine "vllm") (not $serve.image) }}
{{- $problems = append $problems "serve.image: empty, and the release's own image has no vLLM; name one that has it, or use serve.engine: swift" }}
{{- end }}
{{- if and $sync.enabled (not $sync.destination) }}
{{- $problems = append $problems "sync.destination: empty, need a bucket; e.g. s3://BUCKET/PATH or gs://BUCKET/PATH" }}
{{- end }}
{{- if and $sync.enabled (not $sync.secretName) }}
{{- $problems = append $problems "sync.secretName: empty, need a secret whose keys are rclone's variables; e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" }}
{{- end }}
{{- range $name, $_ := $sync.env }}
{{- if regexMatch "SECRET|TOKEN|PASS|CREDENTIALS|KEY" $name }}
{{- $problems = append $problems (printf "sync.env.%s: a secret by its name, and values are no place for one; put it into the secret of sync.secretName" $name) }}
{{- end }}
{{- end }}
{{- $outputs := .Values.storage.outputs }}
{{- range $name := list "serve" "tensorboard" }}
{{- if and (index $.Values $name).enabled $.Values.train.enabled (not $outputs.existingClaim) (eq $outputs.accessMode "ReadWriteOncePod") }}
{{- $problems = append $problems (printf "storage.outputs.accessMode: got ReadWriteOncePod, but %s mounts it as long as it runs, and training could not; use ReadWriteMany" $name) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* A Kubernetes quantity as a number: bytes, or cores. Usage: {{ include "vlm-sft.quantity" "64Gi" }} */}}
{{- define "vlm-sft.quantity" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 }}
{{- $text := toJson . | trimAll "\"" }}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[A-Za-z]*$" $text)) }}
{{- end }}

{{- define "vlm-sft.check.resources" -}}
{{- $problems := list }}
{{- range $workload := list "prepare" "train" "evaluate" "jupyter" "ddpCheck" "export" "serve" "tensorboard" "sync" }}
{{- $values := index $.Values $workload }}
{{- $limits := $values.resources.limits | default dict }}
{{- if $values.enabled }}
{{- range $name, $request := ($values.resources.requests | default dict) }}
{{- if hasKey $limits $name }}
{{- $limit := index $limits $name }}
{{- if gt (include "vlm-sft.quantity" $request | float64) (include "vlm-sft.quantity" $limit | float64) }}
{{- $problems = append $problems (printf "%s.resources.requests.%s: %v is more than the limit of %v; raise the limit, or ask for less" $workload $name $request $limit) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasKey $values "shmSize") (hasKey $limits "memory") }}
{{- if gt (include "vlm-sft.quantity" $values.shmSize | float64) (include "vlm-sft.quantity" $limits.memory | float64) }}
{{- $problems = append $problems (printf "%s.shmSize: %v is more than the memory limit of %v, which it counts against; make it smaller, or raise the limit" $workload $values.shmSize $limits.memory) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Arguments and variables that the chart sets from keys of its own. */}}
{{- define "vlm-sft.ownedArguments" -}}
model: model.id
model_revision: model.revision
dataset: train.dataset
val_dataset: train.valDataset
per_device_train_batch_size: train.batchSizePerGpu
gradient_accumulation_steps: train.gradientAccumulationSteps
micro_batch_size: train.batchSizePerGpu
global_batch_size: train.effectiveBatchSize
tensor_model_parallel_size: train.parallel.tensor
pipeline_model_parallel_size: train.parallel.pipeline
expert_model_parallel_size: train.parallel.expert
context_parallel_size: train.parallel.context
sequence_parallel_size: train.parallel.sequence
output_dir: the release name
add_version: the release name
resume_from_checkpoint: the run directory
mcore_model: the run directory
mcore_adapter: the run directory
finetune: the run directory
deepspeed: train.sharding
fsdp: train.sharding
use_cpu: train.accelerator
ddp_backend: train.accelerator
use_hf: model.id
{{- end }}

{{- define "vlm-sft.ownedVariables" -}}
NPROC_PER_NODE: train.gpusPerNode
NNODES: train.nodes
NODE_RANK: train.nodes
MASTER_ADDR: train.nodes
MASTER_PORT: train.nodes
CUDA_VISIBLE_DEVICES: train.accelerator
HF_HUB_OFFLINE: offline
HF_TOKEN: huggingFace.tokenSecret
JOB_NAME: train.nodes
JOBSET_NAME: train.nodes
HOME: the pod's environment
USER: the pod's environment
HF_HOME: the pod's environment
MODELSCOPE_CACHE: the pod's environment
TRITON_CACHE_DIR: the pod's environment
TORCHINDUCTOR_CACHE_DIR: the pod's environment
MPLCONFIGDIR: the pod's environment
PYTHONUNBUFFERED: the pod's environment
{{- end }}

{{- define "vlm-sft.ownedServeArguments" -}}
model: serve.model
adapters: serve.model
use_hf: serve.model
host: the Service
port: the Service
api_key: serve.apiKeySecret
api-key: serve.apiKeySecret
tensor-parallel-size: serve.gpus
{{- end }}

{{- define "vlm-sft.check.owned" -}}
{{- $problems := list }}
{{- $owned := dict "train.args" "vlm-sft.ownedArguments" "train.env" "vlm-sft.ownedVariables" "evaluate.env" "vlm-sft.ownedVariables" "fabric.env" "vlm-sft.ownedVariables" "serve.args" "vlm-sft.ownedServeArguments" }}
{{- range $place, $table := $owned }}
{{- $path := splitList "." $place }}
{{- $given := index $.Values (first $path) (last $path) }}
{{- range $name, $key := (include $table $ | fromYaml) }}
{{- if hasKey $given $name }}
{{- $problems = append $problems (printf "%s.%s: set, but the chart sets it from %s; remove it here" $place $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $key := dict "model" "model.id" "model_revision" "model.revision" "val_dataset" "evaluate.dataset" "result_path" "the run directory" "adapters" "the run directory" "use_hf" "model.id" }}
{{- if hasKey $.Values.evaluate.args $name }}
{{- $problems = append $problems (printf "evaluate.args.%s: set, but the chart sets it from %s; remove it here" $name $key) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
