{{/* Every `fail` of the chart: values that would make a wrong run. `genvalues` reads these messages from Helm.
     Each message: key, got, need, way out. All problems are reported at once. */}}

{{- define "vlm-sft.check" -}}
{{- $problems := list }}
{{- $root := dict "Values" (include "vlm-sft.checkable" . | fromJson) "Release" .Release "Capabilities" .Capabilities }}
{{- range list "release" "image" "model" "batch" "parallel" "data" "prepare" "shards" "backend" "storage" "workloads" "resources" "owned" "cluster" }}
{{- range (include (printf "vlm-sft.check.%s" .) $root | fromJsonArray) }}{{ $problems = append $problems . }}{{ end }}
{{- end }}
{{- if $problems }}{{ fail (printf "\n%s" (join "\n" $problems)) }}{{ end }}
{{- end }}

{{/* The values as JSON, with an empty one in place of each that a check reads and that is null or of the wrong type. The schema
     refuses these; with --skip-schema-validation they must not hide the messages of the checks. */}}
{{- define "vlm-sft.checkable" -}}
{{- $values := deepCopy .Values }}
{{- $maps := list "image" "model" "huggingFace" "huggingFace.tokenSecret" "storage" "storage.cache" "storage.outputs" "kueue" "fabric" "fabric.env" }}
{{- range list "prepare" "train" "evaluate" "jupyter" "ddpCheck" "export" "serve" "tensorboard" "sync" }}
{{- $maps = concat $maps (list . (printf "%s.resources" .) (printf "%s.resources.requests" .) (printf "%s.resources.limits" .)) }}
{{- end }}
{{- $maps = concat $maps (list "prepare.volcano" "prepare.geo3k" "prepare.oasst1" "train.parallel" "train.args" "train.env" "evaluate.args" "evaluate.env" "serve.args" "sync.env") }}
{{- $strings := list "image.tag" "model.id" "kueue.priorityClass" "kueue.hold" "prepare.dataset" "prepare.layout" "prepare.loss" }}
{{- $strings = concat $strings (list "train.accelerator" "train.launcher" "train.sharding" "train.backend" "serve.engine") }}
{{- $strings = concat $strings (list "storage.cache.accessMode" "storage.outputs.accessMode" "prepare.input" "prepare.outputDir" "prepare.volcano.as") }}
{{- range $key := concat $maps $strings }}
{{- $path := splitList "." $key }}
{{- $section := $values }}
{{- range initial $path }}{{ $section = get $section . }}{{ end }}
{{- if not (and (hasKey $section (last $path)) (kindIs (has $key $maps | ternary "map" "string") (get $section (last $path)))) }}
{{- $_ := set $section (last $path) (has $key $maps | ternary dict "") }}
{{- end }}
{{- end }}
{{- range $key := list "prepare.splits" "prepare.imageRoots" "train.dataset" "train.valDataset" "evaluate.dataset" }}
{{- $path := splitList "." $key }}
{{- $section := get $values (first $path) }}
{{- $_ := set $section (last $path) (join "\n" (get $section (last $path)) | splitList "\n" | compact) }}
{{- end -}}
{{ $values | toJson }}
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
{{- $problems = append $problems "image.tag: latest, which changes over time; name a version or image.digest, or set image.allowLatest to true" }}
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
{{- $problems = append $problems (printf "offline: true, but %s is not downloaded; set model.id to a path, or model.download and prepare.enabled to true" $model.id) }}
{{- end }}
{{- if .Values.offline }}
{{- range include "vlm-sft.namedDatasets" . | fromJsonArray | uniq }}
{{- if and (include "vlm-sft.isOnHub" .) (not (include "vlm-sft.hubFetch" (dict "root" $ "dataset" .) | fromJson)) }}
{{- $problems = append $problems (printf "offline: true, but the dataset %s is not downloaded; name a path, or set prepare.enabled to true and train.args.streaming to false" .) }}
{{- end }}
{{- end }}
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
{{- if or (not $train.enabled) (lt $perPass 1) (mod $gpus $shared) }}{{/* the schema or check.parallel reports it */}}
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
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- if and .Values.train.enabled (not .Values.train.dataset) }}
{{- if not $prepare.dataset }}
{{- $problems = append $problems "train.dataset: empty, and prepare.dataset is empty too; name a dataset (a path or a hub id), or prepare one" }}
{{- else if not $prepare.enabled }}
{{- $problems = append $problems (printf "train.dataset: empty, and the preparation of %s is switched off; set prepare.enabled to true, or name the files of an earlier preparation" $prepare.dataset) }}
{{- else if and $made (not $made.train) }}
{{- $problems = append $problems (printf "prepare.splits: got %s, need %s to train on; add one, or set train.dataset" (join ", " $made.splits) (without $made.known "test" "validation" | join " or ")) }}
{{- end }}
{{- end }}
{{- if .Values.evaluate.enabled }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- if not .Values.train.enabled }}
{{- $problems = append $problems "evaluate.enabled: true, but train.enabled is false, so there is no run to evaluate; set train.enabled to true" }}
{{- else if not (or .Values.evaluate.dataset $datasets.val_dataset) }}
{{- $problems = append $problems "evaluate.dataset: empty, and training has no validation set; set it, or train.valDataset" }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Options of the dataset that is prepared. */}}
{{- define "vlm-sft.check.prepare" -}}
{{- $problems := list }}
{{- $prepare := .Values.prepare }}
{{- $table := include "vlm-sft.datasetTable" . | fromYaml }}
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- if and $prepare.enabled $made }}
{{- $name := $prepare.dataset }}
{{- if not $made.input }}
{{- $what := eq $name "hub" | ternary "a dataset on the hub (ORG/NAME)" "a file or folder on a claim, or a dataset on the hub (ORG/NAME)" }}
{{- $problems = append $problems (printf "prepare.input: empty, and %s has no default; name %s" $name $what) }}
{{- else if $made.hub }}
{{- range $other, $row := $table }}
{{- if and (ne $other $name) (eq (splitList "@" $made.input | first) ($row.hub | default "")) }}
{{- $problems = append $problems (printf "prepare.input: got %s, but prepare.dataset is %s; remove it, or use prepare.dataset: %s" $made.input $name $other) }}
{{- end }}
{{- end }}
{{- end }}
{{- $unknown := list }}
{{- range $made.splits }}{{ if not (has . $made.known) }}{{ $unknown = append $unknown . }}{{ end }}{{ end }}
{{- if $unknown }}
{{- $problems = append $problems (printf "prepare.splits: got %s, but %s has %s; use these" (join ", " $unknown) $name (join ", " $made.known)) }}
{{- end }}
{{- if and $made.text $prepare.imageRoots }}
{{- $problems = append $problems (printf "prepare.imageRoots: got %s, but %s has no images; remove it" (join ", " $prepare.imageRoots) $name) }}
{{- end }}
{{- range $key, $own := include "vlm-sft.datasetOptions" . | fromYaml }}
{{- $value := (include "vlm-sft.prepareKey" (dict "root" $ "key" $key) | fromJson).value }}
{{- if and $value (ne (toJson $value) (toJson $own.default)) (not (has $name $own.of)) }}
{{- $shown := kindIs "string" $value | ternary $value (toJson $value) }}
{{- $problems = append $problems (printf "prepare.%s: got %s, but prepare.dataset %s has no such option; remove it, or use prepare.dataset: %s" $key $shown $name (join " or " $own.of)) }}
{{- end }}
{{- end }}
{{- if and (eq $name "fire") (eq $prepare.layout "trajectory") (lt (int $made.rounds) 5) (ne $prepare.loss "last") }}
{{- $problems = append $problems (printf "prepare.maxHistoryRounds: %d, but prepare.loss %s trains on earlier answers too, and prepare.layout trajectory drops the earliest of them; use prepare.layout: steps, or 5 rounds (FIRE's longest trajectory)" (int $made.rounds) $prepare.loss) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* A preparation by several pods. */}}
{{- define "vlm-sft.check.shards" -}}
{{- $problems := list }}
{{- $prepare := .Values.prepare }}
{{- if include "vlm-sft.convert.runs" . }}
{{- $shards := int $prepare.shards }}
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- $chains := and (eq $prepare.dataset "volcano") (eq $prepare.volcano.as "trajectories") }}
{{- if or $made.whole $chains }}
{{- $what := $chains | ternary "the rows of a volcano trajectory may lie anywhere in the file" (printf "the rows of %s cannot be divided" $prepare.dataset) }}
{{- $problems = append $problems (printf "prepare.shards: got %d, but %s; use 1" $shards $what) }}
{{- end }}
{{- if int $prepare.maxSamples }}
{{- $problems = append $problems (printf "prepare.shards: got %d, but prepare.maxSamples %d counts the rows from the start of a split; use 1, or prepare.maxSamples: 0" $shards (int $prepare.maxSamples)) }}
{{- end }}
{{- range $name, $use := dict "cache" "read the images" "outputs" "write parts of the data" }}
{{- $claim := index $.Values.storage $name }}
{{- if and (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
{{- $problems = append $problems (printf "storage.%s.accessMode: got %s, but %d pods %s (prepare.shards); use ReadWriteMany, or prepare.shards: 1" $name $claim.accessMode $shards $use) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{- define "vlm-sft.check.backend" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- if and (eq $train.accelerator "cpu") (eq $train.backend "swift") (ne $train.sharding "ddp") }}
{{- $problems = append $problems (printf "train.sharding: got %s, but train.accelerator cpu supports only ddp; use ddp, or train.accelerator: gpu" $train.sharding) }}
{{- end }}
{{- if and $train.enabled (eq $train.sharding "fsdp2") }}
{{- if and .Values.evaluate.enabled (eq (toString (get $train.args "tuner_type")) "full") }}
{{- $problems = append $problems "train.sharding: got fsdp2, which saves full tuning as shards, but evaluation needs whole weights; use zero3, or evaluate.enabled: false" }}
{{- end }}
{{- if eq (toString (get $train.args "save_only_model")) "true" }}
{{- $problems = append $problems "train.args.save_only_model: true, but train.sharding fsdp2 always saves the optimizer with its shards; remove it, or use zero3" }}
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
{{- $problems = append $problems (printf "kueue.priorityClass: got %s, but kueue.queueName is empty, so no queue reads it; name the queue, or use scheduling.priorityClassName" .Values.kueue.priorityClass) }}
{{- end }}
{{- $serve := .Values.serve }}
{{- $sync := .Values.sync }}
{{- if and .Values.export.enabled (not .Values.train.enabled) }}
{{- $problems = append $problems "export.enabled: true, but train.enabled is false, so there is no run to export; set train.enabled to true, or run `vlm-sft export RUN_DIR` by hand" }}
{{- end }}
{{- if and $serve.enabled (not $serve.model) }}
{{- $problems = append $problems "serve.model: empty, and the server does not wait for training; name the directory of a finished run, a folder with weights, or a hub id" }}
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
{{- $problems = append $problems (printf "sync.env.%s: named like a secret, which a values file must not hold; put it into the secret that sync.secretName names" $name) }}
{{- end }}
{{- end }}
{{- $outputs := .Values.storage.outputs }}
{{- range $name := list "serve" "tensorboard" }}
{{- if and (index $.Values $name).enabled $.Values.train.enabled (not $outputs.existingClaim) (eq $outputs.accessMode "ReadWriteOncePod") }}
{{- $problems = append $problems (printf "storage.outputs.accessMode: got ReadWriteOncePod, but %s keeps the claim mounted, so training cannot mount it; use ReadWriteMany" $name) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* A quantity as it is written; a number without exponent, which printf would add. */}}
{{- define "vlm-sft.plain" -}}
{{ toJson . | trimAll "\"" }}
{{- end }}

{{/* A Kubernetes quantity as a number: bytes, or cores. Nothing for what is no quantity, such as 256GB; the schema reports it.
     Usage: {{ include "vlm-sft.quantity" "64Gi" }} */}}
{{- define "vlm-sft.quantity" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 }}
{{- $text := include "vlm-sft.plain" . }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- if and (regexMatch "^[0-9]+([.][0-9]+)?[A-Za-z]*$" $text) (hasKey $units $unit) -}}
{{ mulf (regexFind "^[0-9.]+" $text | float64) (get $units $unit) }}
{{- end }}
{{- end }}

{{/* "true" when the first of two quantities is more than the second. Usage: {{ include "vlm-sft.exceeds" (list "64Gi" "32Gi") }} */}}
{{- define "vlm-sft.exceeds" -}}
{{- $first := include "vlm-sft.quantity" (first .) }}
{{- $second := include "vlm-sft.quantity" (last .) }}
{{- if and $first $second (gt (float64 $first) (float64 $second)) }}true{{ end }}
{{- end }}

{{- define "vlm-sft.check.resources" -}}
{{- $problems := list }}
{{- range $workload := list "prepare" "train" "evaluate" "jupyter" "ddpCheck" "export" "serve" "tensorboard" "sync" }}
{{- $values := index $.Values $workload }}
{{- $limits := $values.resources.limits }}
{{- if $values.enabled }}
{{- range $name, $request := $values.resources.requests }}
{{- if hasKey $limits $name }}
{{- $limit := index $limits $name }}
{{- if include "vlm-sft.exceeds" (list $request $limit) }}
{{- $problems = append $problems (printf "%s.resources.requests.%s: %s is more than the limit of %s; raise the limit, or lower the request" $workload $name (include "vlm-sft.plain" $request) (include "vlm-sft.plain" $limit)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasKey $values "shmSize") (hasKey $limits "memory") }}
{{- if include "vlm-sft.exceeds" (list $values.shmSize $limits.memory) }}
{{- $problems = append $problems (printf "%s.shmSize: %s is more than the memory limit of %s, which includes it; lower it, or raise the limit" $workload (include "vlm-sft.plain" $values.shmSize) (include "vlm-sft.plain" $limits.memory)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Arguments and variables that the chart sets, with the key that each comes from. */}}
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
