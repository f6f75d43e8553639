{{/* Values -> ms-swift's own YAML config: anybody can take it and run `swift sft train.yaml` by hand. */}}

{{/* Optimizer-step arithmetic as JSON: {"processes", "accumulation", "effective"}. _fail.tpl has checked that it is whole. */}}
{{- define "vlm-sft.batch" -}}
{{- $train := .Values.train }}
{{- $processes := mul (int $train.gpusPerNode) (int $train.nodes) }}
{{- $perPass := mul (int $train.batchSizePerGpu) $processes }}
{{- $accumulation := int ($train.gradientAccumulationSteps | default 0) }}
{{- if not $accumulation }}{{ $accumulation = div (int $train.effectiveBatchSize) $perPass }}{{ end -}}
{{ dict "processes" $processes "accumulation" $accumulation "effective" (mul $perPass $accumulation) | toJson }}
{{- end }}

{{/* Data that training reads, as JSON: {"dataset": [...], "val_dataset": [...], "marker": path or ""}. */}}
{{- define "vlm-sft.datasets" -}}
{{- $train := .Values.train }}
{{- $prepare := .Values.prepare }}
{{- $made := and $prepare.enabled (ne $prepare.dataset "") }}
{{- $dataset := $train.dataset }}
{{- $validation := $train.valDataset }}
{{- if and $made (not $dataset) }}
{{- $dataset = list }}
{{- range $prepare.splits }}
{{- if ne . "test" }}{{ $dataset = append $dataset (printf "%s/fire_bc_%s.jsonl" $prepare.outputDir .) }}{{ end }}
{{- end }}
{{- if and (not $validation) (has "test" $prepare.splits) }}
{{- $validation = list (printf "%s/fire_bc_test.jsonl" $prepare.outputDir) }}
{{- end }}
{{- end }}
{{- $marker := ternary (printf "%s/stats.json" $prepare.outputDir) "" (and $made (not $train.dataset)) -}}
{{ dict "dataset" $dataset "val_dataset" $validation "marker" $marker | toJson }}
{{- end }}

{{/* A mapping of ms-swift arguments as YAML, one a line. Numbers go through toJson (Helm holds integers as floats and would
     print 1e+06); a mapping becomes the JSON text that ms-swift's command line takes.
     Usage: {{ include "vlm-sft.arguments" $args }} */}}
{{- define "vlm-sft.arguments" -}}
{{- range $name, $value := . }}
{{- if kindIs "invalid" $value }}{{ continue }}{{ end }}
{{ $name }}: {{ if kindIs "map" $value }}{{ $value | toJson | toJson }}{{ else }}{{ $value | toJson }}{{ end }}
{{- end }}
{{- end }}

{{/* The `ENV:` block: ms-swift sets these variables when they are not set yet. Values are strings to it. */}}
{{- define "vlm-sft.environment" -}}
ENV:
{{- range $name, $value := . }}
{{- if kindIs "invalid" $value }}{{ continue }}{{ end }}
  {{ $name }}: {{ $value | toJson }}
{{- end }}
{{- end }}

{{/* Arguments that training and evaluation share, as JSON. */}}
{{- define "vlm-sft.modelArguments" -}}
{{- $args := dict "model" .Values.model.id "use_hf" true }}
{{- with .Values.model.revision }}{{ $_ := set $args "model_revision" . }}{{ end }}
{{- $args | toJson }}
{{- end }}

{{/* train.yaml without output_dir: what makes a run this run and no other. */}}
{{- define "vlm-sft.trainConfigBody" -}}
{{- $train := .Values.train }}
{{- $batch := include "vlm-sft.batch" . | fromJson }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- $args := deepCopy $train.args }}
{{- $_ := merge $args (include "vlm-sft.modelArguments" . | fromJson) }}
{{- $_ := set $args "dataset" $datasets.dataset }}
{{- if $datasets.val_dataset }}{{ $_ := set $args "val_dataset" $datasets.val_dataset }}{{ end }}
{{- $_ := set $args "per_device_train_batch_size" (int $train.batchSizePerGpu) }}
{{- $_ := set $args "gradient_accumulation_steps" (int $batch.accumulation) }}
{{- $_ := set $args "add_version" false }}
{{- if or .Values.offline (hasPrefix "/" .Values.model.id) }}{{ $_ := set $args "check_model" false }}{{ end }}
{{- $env := deepCopy $train.env }}
{{- $_ := set $env "NPROC_PER_NODE" (int $train.gpusPerNode) }}
{{- if gt (int $train.nodes) 1 }}{{ $_ := set $env "NNODES" (int $train.nodes) }}{{ end }}
{{- if eq $train.accelerator "cpu" }}
{{- $_ := set $args "use_cpu" true }}
{{- $_ := set $env "CUDA_VISIBLE_DEVICES" "" }}
{{- if gt (int $batch.processes) 1 }}{{ $_ := set $args "ddp_backend" "gloo" }}{{ end }}
{{- end }}
{{- if hasPrefix "zero" $train.sharding }}{{ $_ := set $args "deepspeed" $train.sharding }}{{ end }}
{{- if eq $train.sharding "fsdp2" }}
{{- $_ := set $args "fsdp" "fsdp2" }}
{{- $_ := set $args "gradient_checkpointing" false }}
{{- end }}
{{- include "vlm-sft.arguments" $args | trim }}
{{ include "vlm-sft.environment" $env }}
{{- end }}

{{/* Run directory: another config is another run, and none continues the optimizer state of another. */}}
{{- define "vlm-sft.runDir" -}}
/outputs/{{ .Release.Name }}/{{ include "vlm-sft.trainConfigBody" . | sha256sum | trunc 8 }}
{{- end }}

{{- define "vlm-sft.trainConfig" -}}
output_dir: {{ include "vlm-sft.runDir" . | toJson }}
{{ include "vlm-sft.trainConfigBody" . }}
{{- end }}

{{/* evaluate.yaml: `vlm-sft evaluate` adds the checkpoint and where the answers go. */}}
{{- define "vlm-sft.evaluateConfig" -}}
{{- $evaluate := .Values.evaluate }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- $args := deepCopy $evaluate.args }}
{{- $_ := merge $args (include "vlm-sft.modelArguments" . | fromJson) }}
{{- range list "model_type" "template" "torch_dtype" "max_length" "attn_impl" "system" }}
{{- if and (hasKey $.Values.train.args .) (not (hasKey $args .)) }}{{ $_ := set $args . (index $.Values.train.args .) }}{{ end }}
{{- end }}
{{- $_ := set $args "val_dataset" ($evaluate.dataset | default $datasets.val_dataset) }}
{{- $env := merge (deepCopy $evaluate.env) .Values.train.env }}
{{- if eq .Values.train.accelerator "cpu" }}
{{- $_ := set $env "CUDA_VISIBLE_DEVICES" "" }}
{{- else if gt (int $evaluate.gpus) 1 }}
{{- $_ := set $env "NPROC_PER_NODE" (int $evaluate.gpus) }}
{{- end }}
{{- include "vlm-sft.arguments" $args | trim }}
{{ include "vlm-sft.environment" $env }}
{{- end }}
