{{/* Every `fail` of the chart: values that would make a wrong run. `genvalues` reads these messages from Helm.
     Each message: key, got, need, way out. All problems are reported at once. */}}

{{- define "vlm-sft.check" -}}
{{- $problems := list }}
{{- $root := dict "Values" (include "vlm-sft.checkable" . | fromJson) "Release" .Release "Capabilities" .Capabilities "Files" .Files }}
{{- range list "release" "image" "model" "batch" "parallel" "data" "evaluate" "prepare" "shards" "backend" "pods" "trackers" "best" "storage" "extra" "paths" "workloads" "resources" "owned" "cluster" }}
{{- range (include (printf "vlm-sft.check.%s" .) $root | fromJsonArray) }}{{ $problems = append $problems . }}{{ end }}
{{- end }}
{{- if $problems }}{{ fail (printf "\n%s" (join "\n" $problems)) }}{{ end }}
{{- end }}

{{/* The values as JSON, with an empty one in place of each that a check reads and that is null or of the wrong type. The schema
     refuses these; with --skip-schema-validation they must not hide the messages of the checks. */}}
{{- define "vlm-sft.checkable" -}}
{{- $values := deepCopy .Values }}
{{- $maps := list "image" "model" "huggingFace" "huggingFace.tokenSecret" "storage" "storage.cache" "storage.outputs" "kueue" "fabric" "fabric.env" "extraEnv" "podLabels" "podAnnotations" "caCertificates" "serviceAccount" "networkPolicy" }}
{{- range list "prepare" "train" "evaluate" "jupyter" "dataPod" "ddpCheck" "export" "serve" "tensorboard" "sync" }}
{{- $maps = concat $maps (list . (printf "%s.resources" .) (printf "%s.resources.requests" .) (printf "%s.resources.limits" .)) }}
{{- end }}
{{- $maps = concat $maps (list "prepare.volcano" "prepare.geo3k" "prepare.oasst1" "train.parallel" "train.trackers" "train.args" "train.env" "evaluate.args" "evaluate.env" "evaluate.teacher" "serve.args" "sync.env") }}
{{- $strings := list "image.tag" "model.id" "kueue.priorityClass" "kueue.hold" "prepare.dataset" "prepare.layout" "prepare.loss" }}
{{- $strings = concat $strings (list "train.accelerator" "train.launcher" "train.sharding" "train.backend" "serve.engine" "evaluate.model" "evaluate.task" "evaluate.engine") }}
{{- $strings = concat $strings (list "storage.cache.accessMode" "storage.outputs.accessMode" "prepare.input" "prepare.outputDir" "prepare.volcano.as") }}
{{- range $key := concat $maps $strings }}
{{- $path := splitList "." $key }}
{{- $section := $values }}
{{- range initial $path }}{{ $section = get $section . }}{{ end }}
{{- if not (and (hasKey $section (last $path)) (kindIs (has $key $maps | ternary "map" "string") (get $section (last $path)))) }}
{{- $_ := set $section (last $path) (has $key $maps | ternary dict "") }}
{{- end }}
{{- end }}
{{- $_ := set $values "extraEnvFrom" (kindIs "slice" $values.extraEnvFrom | ternary $values.extraEnvFrom list) }}
{{- $_ := set $values.storage "extra" (kindIs "slice" (get $values.storage "extra") | ternary (get $values.storage "extra") list) }}
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
{{- $id := $model.id }}
{{- if not .Values.train.enabled }}{{ $id = .Values.evaluate.model | default $id }}{{ end }}
{{- $needed := or .Values.train.enabled .Values.evaluate.enabled }}
{{- if and .Values.train.enabled (not $model.id) }}
{{- $problems = append $problems "model.id: empty, need a hub id or a path; e.g. Qwen/Qwen3-VL-8B-Instruct" }}
{{- end }}
{{- if and $model.gated (not .Values.huggingFace.tokenSecret.name) }}
{{- $problems = append $problems (printf "huggingFace.tokenSecret.name: empty, and %s is gated; name a secret that holds a Hugging Face token" $model.id) }}
{{- end }}
{{- $downloaded := and .Values.prepare.enabled $model.download }}
{{- if and $needed .Values.offline $id (not (hasPrefix "/" $id)) (not $downloaded) }}
{{- $problems = append $problems (printf "offline: true, but %s is not downloaded; set %s to a path, or model.download and prepare.enabled to true" $id (eq $id $model.id | ternary "model.id" "evaluate.model")) }}
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
{{- $evaluate := .Values.evaluate }}
{{- if and .Values.train.enabled $evaluate.model }}
{{- $problems = append $problems (printf "evaluate.model: got %s, but train.enabled is true and the trained run is evaluated; remove it, or set train.enabled to false" $evaluate.model) }}
{{- else if not (or .Values.train.enabled $evaluate.model) }}
{{- $problems = append $problems "evaluate.model: empty, and train.enabled is false, so there is no run to evaluate; name a hub id, a model folder, an adapter or a run directory, or set train.enabled to true" }}
{{- else if not (or $evaluate.dataset $datasets.val_dataset (include "vlm-sft.splitSet" .)) }}
{{- $problems = append $problems (printf "evaluate.dataset: empty, and %s has no validation set; set it, or %s" (eq .Values.train.enabled true | ternary "training" "the preparation") (eq .Values.train.enabled true | ternary "train.valDataset" "add test or validation to prepare.splits")) }}
{{- end }}
{{- range $name, $use := dict "cache" "read the model" "outputs" "write answers" }}
{{- $claim := index $.Values.storage $name }}
{{- if and (gt (int $evaluate.shards) 1) (not $claim.existingClaim) (ne $claim.accessMode "ReadWriteMany") }}
{{- $problems = append $problems (printf "storage.%s.accessMode: got %s, but %d pods %s (evaluate.shards); use ReadWriteMany, or evaluate.shards: 1" $name $claim.accessMode (int $evaluate.shards) $use) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* The task of an evaluation, its teacher, and the curve during training. */}}
{{- define "vlm-sft.check.evaluate" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- $evaluate := .Values.evaluate }}
{{- $teacher := $evaluate.teacher }}
{{- if $evaluate.enabled }}
{{- if eq $evaluate.task "fire-free" }}
{{- range list "address" "model" }}
{{- if not (get $teacher .) }}
{{- $problems = append $problems (printf "evaluate.teacher.%s: empty, but evaluate.task fire-free is a dialogue with a teacher; set it, or use evaluate.task: fire" .) }}
{{- end }}
{{- end }}
{{- if eq $evaluate.engine "infer" }}
{{- $problems = append $problems "evaluate.engine: got infer, but evaluate.task fire-free needs a server for each turn; use deploy or vllm" }}
{{- end }}
{{- else if $teacher.address }}
{{- $problems = append $problems (printf "evaluate.teacher.address: got %s, but evaluate.task %s needs no teacher; remove it, or use evaluate.task: fire-free" $teacher.address $evaluate.task) }}
{{- end }}
{{- end }}
{{- if and $train.enabled (int $evaluate.everySteps) }}
{{- $steps := int $evaluate.everySteps }}
{{- if has $evaluate.task (list "fire-free" "loss") }}
{{- $problems = append $problems (printf "evaluate.everySteps: got %d, but evaluate.task %s cannot run during training; use 0 (validation logs the loss), or another task" $steps $evaluate.task) }}
{{- end }}
{{- if ne $train.backend "swift" }}
{{- $problems = append $problems (printf "evaluate.everySteps: got %d, but train.backend %s cannot generate during training; use 0, or train.backend: swift" $steps $train.backend) }}
{{- else if eq $train.sharding "fsdp2" }}
{{- $problems = append $problems (printf "evaluate.everySteps: got %d, but train.sharding fsdp2 cannot generate during training; use 0, or train.sharding: zero3" $steps) }}
{{- end }}
{{- if not (include "vlm-sft.datasets" . | fromJson).val_dataset }}
{{- $problems = append $problems (printf "evaluate.everySteps: got %d, but training has no validation set; set train.valDataset, or use 0" $steps) }}
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
{{- range $name, $_ := include "vlm-sft.given" $train.args | fromJson }}
{{- if or (hasPrefix "lora_" $name) (eq $name "target_modules") }}
{{- $problems = append $problems (printf "train.args.%s: set, but train.args.tuner_type is full, which has no adapter; remove it, or use tuner_type: lora" $name) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Trackers, and secrets in clear text: train.env and evaluate.env are stored in a ConfigMap. */}}
{{- define "vlm-sft.check.trackers" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- $secret := $train.trackers.secretName }}
{{- if and $secret (eq $train.launcher "trainjob") }}
{{- $problems = append $problems (printf "train.trackers.secretName: got %s, but a TrainJob cannot take its variables from a Secret; use train.launcher: jobset, or put envFrom into the training runtime and leave this empty" $secret) }}
{{- end }}
{{- $env := include "vlm-sft.given" $train.env | fromJson }}
{{- if eq (include "vlm-sft.swanlabMode" .) "local" }}{{ $_ := set $env "SWANLAB_MODE" "local" }}{{ end }}
{{- $named := include "vlm-sft.trackers" . | fromJsonArray }}
{{- $checked := and $train.enabled (not $secret) (ne $train.launcher "trainjob") }}
{{- range $tracker, $needs := include "vlm-sft.trackerTable" . | fromYaml }}
{{- if and $checked (has $tracker $named) (not (hasKey $env $needs.key)) (not (hasKey $env ($needs.mode | default $needs.key))) }}
{{- $problems = append $problems (printf "train.trackers.secretName: empty, but train.args.report_to has %s, which needs %s; name a secret with that key, or set train.%s" $tracker $needs.key $needs.without) }}
{{- end }}
{{- end }}
{{- range $name := list "swanlab_token" "swanlab_secret" }}
{{- if get $train.args $name }}
{{- $problems = append $problems (printf "train.args.%s: a secret, which a ConfigMap must not hold; put it into the secret that train.trackers.secretName names" $name) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* train.keepBest: every evaluation needs a checkpoint. ms-swift's defaults: save_strategy steps, save_steps 500, and both of
     evaluation as those of saving. */}}
{{- define "vlm-sft.check.best" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- $args := include "vlm-sft.given" $train.args | fromJson }}
{{- if and $train.enabled $train.keepBest }}
{{- if not (or (include "vlm-sft.datasets" . | fromJson).val_dataset (get $args "split_dataset_ratio")) }}
{{- $problems = append $problems "train.keepBest: true, but there is no validation data; set train.valDataset, prepare a split test or validation, or set train.args.split_dataset_ratio" }}
{{- end }}
{{- if eq (toString (get $args "create_checkpoint_symlink")) "true" }}
{{- $problems = append $problems "train.args.create_checkpoint_symlink: true, but train.keepBest makes the link `best`; remove it" }}
{{- end }}
{{- if eq (toString (get $args "save_total_limit")) "1" }}
{{- $problems = append $problems "train.args.save_total_limit: got 1, but train.keepBest keeps two checkpoints, the best and the last; use 2 or more" }}
{{- end }}
{{- $save := toString (get $args "save_strategy" | default "steps") }}
{{- $evaluate := toString (get $args "eval_strategy" | default $save) }}
{{- $saveSteps := get $args "save_steps" | default 500 | float64 }}
{{- $evalSteps := get $args "eval_steps" | default $saveSteps | float64 }}
{{- if not (has $save (list "steps" "epoch")) }}
{{- $problems = append $problems (printf "train.args.save_strategy: got %s, but train.keepBest needs a checkpoint of each evaluation; use steps or epoch" $save) }}
{{- else if ne $evaluate $save }}
{{- $problems = append $problems (printf "train.args.eval_strategy: got %s, but train.keepBest needs a checkpoint of each evaluation; use %s, as train.args.save_strategy" $evaluate $save) }}
{{- else if and (eq $save "steps") (ne $saveSteps $evalSteps) (or (lt $saveSteps 1.0) (lt $evalSteps 1.0)) }}
{{- $problems = append $problems (printf "train.args.eval_steps: got %s, but train.keepBest needs a checkpoint of each evaluation; use %s, as train.args.save_steps" (toJson $evalSteps) (toJson $saveSteps)) }}
{{- else if and (eq $save "steps") (ge $saveSteps 1.0) }}
{{- if mod (int64 $evalSteps) (int64 $saveSteps) }}
{{- $problems = append $problems (printf "train.args.eval_steps: got %s, but train.keepBest needs a checkpoint of each evaluation; use a multiple of %s (train.args.save_steps), or change that" (toJson $evalSteps) (toJson $saveSteps)) }}
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
{{- $pods := include "vlm-sft.podsAtOnce" (dict "root" $ "claim" $name) | fromJsonArray }}
{{- if and (not $claim.existingClaim) (eq $claim.accessMode "ReadWriteOncePod") (gt (len $pods) 1) }}
{{- $problems = append $problems (printf "storage.%s.accessMode: got ReadWriteOncePod, but the pods of %s mount the claim at the same time; use ReadWriteMany" $name (join ", " $pods)) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}

{{/* Workloads whose pods mount a claim at the same time, as JSON. Jobs run one after the other, so they count only beside a
     workload that runs all the time.
     Usage: {{ include "vlm-sft.podsAtOnce" (dict "root" $ "claim" "cache") }} */}}
{{- define "vlm-sft.podsAtOnce" -}}
{{- $values := .root.Values }}
{{- $keep := list }}
{{- range concat (list "jupyter" "dataPod" "serve") (eq .claim "outputs" | ternary (list "sync" "tensorboard") list) }}
{{- if (index $values .).enabled }}{{ $keep = append $keep . }}{{ end }}
{{- end }}
{{- if and $values.serve.enabled (gt (int (get $values.serve "replicas")) 1) }}{{ $keep = append $keep "a second serve" }}{{ end }}
{{- $jobs := list }}
{{- range list "prepare" "train" "evaluate" "export" }}
{{- if and (index $values .).enabled (or (ne . "prepare") (include "vlm-sft.prepare.runs" $.root)) }}{{ $jobs = append $jobs . }}{{ end }}
{{- end -}}
{{ concat $keep (empty $keep | ternary list $jobs) | toJson }}
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
{{- $check := .Values.ddpCheck }}
{{- $processes := mul (int .Values.train.gpusPerNode) (int .Values.train.nodes) }}
{{- $step := mul (int (get $check "batchSize")) $processes }}
{{- if and $check.enabled (lt (int (get $check "samples")) (int $step)) }}
{{- $problems = append $problems (printf "ddpCheck.samples: got %d, need at least %d for one step (%d per process x %d processes); use more samples, or a smaller ddpCheck.batchSize" (int (get $check "samples")) $step (int (get $check "batchSize")) $processes) }}
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
{{- range $workload := list "prepare" "train" "evaluate" "jupyter" "dataPod" "ddpCheck" "export" "serve" "tensorboard" "sync" }}
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

{{/* Arguments of training that no values file should have, with the reason and the way out; false is what ms-swift does anyway. */}}
{{- define "vlm-sft.refusedArguments" -}}
resume_only_model: an interrupted run would continue without its optimizer's state; remove it
ignore_data_skip: an interrupted run would train on its first rows again; remove it
no_load_optim: an interrupted run would continue without its optimizer's state; remove it
no_load_rng: an interrupted run would continue with other random numbers; remove it
auto_find_batch_size: ms-swift would lower the batch when memory runs out, so the effective batch would not be the one of the values; remove it, and lower train.batchSizePerGpu
push_to_hub: training would upload while it runs, with a token that can write; remove it, and upload the export of the finished run
hub_token: a ConfigMap would show it to everyone who can read the namespace; remove it, and use huggingFace.tokenSecret
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
{{- range $name, $why := (include "vlm-sft.refusedArguments" . | fromYaml) }}
{{- range list "train" "evaluate" "serve" }}
{{- if and (or (eq . "train") (eq $name "hub_token")) (get (index $.Values .).args $name) (ne (get (index $.Values .).args $name | toString) "false") }}
{{- $problems = append $problems (printf "%s.args.%s: set, but %s" . $name $why) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $key := (include "vlm-sft.ownedVariables" $ | fromYaml) }}
{{- if hasKey $.Values.extraEnv $name }}
{{- $problems = append $problems (printf "extraEnv.%s: set, but the chart sets it from %s; remove it here" $name $key) }}
{{- end }}
{{- end }}
{{- $owned := dict "train.args" "vlm-sft.ownedArguments" "train.env" "vlm-sft.ownedVariables" "evaluate.env" "vlm-sft.ownedVariables" "fabric.env" "vlm-sft.ownedVariables" "serve.args" "vlm-sft.ownedServeArguments" }}
{{- range $place, $table := $owned }}
{{- $path := splitList "." $place }}
{{- $given := include "vlm-sft.given" (index $.Values (first $path) (last $path)) | fromJson }}
{{- range $name, $key := (include $table $ | fromYaml) }}
{{- if hasKey $given $name }}
{{- $problems = append $problems (printf "%s.%s: set, but the chart sets it from %s; remove it here" $place $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $key := dict "model" "model.id" "model_revision" "model.revision" "val_dataset" "evaluate.dataset" "result_path" "the release name" "adapters" "evaluate.model" "use_hf" "model.id" "infer_backend" "evaluate.engine" }}
{{- if hasKey (include "vlm-sft.given" $.Values.evaluate.args | fromJson) $name }}
{{- $problems = append $problems (printf "evaluate.args.%s: set, but the chart sets it from %s; remove it here" $name $key) }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
