{{/* Values -> ms-swift's own YAML config, which also runs by hand: `swift sft train.yaml`. */}}

{{/* Optimizer-step arithmetic as JSON: {"processes", "accumulation", "effective"}. _fail.tpl checks that the division has no remainder. */}}
{{- define "vlm-sft.batch" -}}
{{- $train := .Values.train }}
{{- $processes := mul (int $train.gpusPerNode) (int $train.nodes) }}
{{- $perPass := mul (int $train.batchSizePerGpu) (div $processes (include "vlm-sft.gpusPerRank" . | int)) }}
{{- $accumulation := int ($train.gradientAccumulationSteps | default 0) }}
{{- if not $accumulation }}{{ $accumulation = div (int $train.effectiveBatchSize) $perPass }}{{ end -}}
{{ dict "processes" $processes "accumulation" $accumulation "effective" (mul $perPass $accumulation) | toJson }}
{{- end }}

{{/* Data that training reads, as JSON: {"dataset": [...], "val_dataset": [...], "marker": path or ""}. */}}
{{- define "vlm-sft.datasets" -}}
{{- $train := .Values.train }}
{{- $prepare := .Values.prepare }}
{{- $made := include "vlm-sft.prepared" . | fromJson }}
{{- $dataset := include "vlm-sft.readable" (dict "root" . "datasets" $train.dataset) | fromJsonArray }}
{{- $validation := include "vlm-sft.readable" (dict "root" . "datasets" $train.valDataset) | fromJsonArray }}
{{- $marker := "" }}
{{- if and $prepare.enabled $made (not $dataset) }}
{{- $marker = printf "%s/stats.json" $made.outputDir }}
{{- $dataset = list }}
{{- range $made.train }}{{ $dataset = append $dataset (printf "%s/%s_bc_%s.jsonl" $made.outputDir $prepare.dataset .) }}{{ end }}
{{- if not $validation }}
{{- $validation = list }}
{{- range $made.validation }}{{ $validation = append $validation (printf "%s/%s_bc_%s.jsonl" $made.outputDir $prepare.dataset .) }}{{ end }}
{{- end }}
{{- end -}}
{{ dict "dataset" $dataset "val_dataset" $validation "marker" $marker | toJson }}
{{- end }}

{{/* Arguments that training and evaluation share, as JSON.
     Usage: {{ include "vlm-sft.modelArguments" $ | fromJson }} */}}
{{- define "vlm-sft.modelArguments" -}}
{{- $args := dict "model" .Values.model.id "use_hf" true }}
{{- with .Values.model.revision }}{{ $_ := set $args "model_revision" . }}{{ end -}}
{{ $args | toJson }}
{{- end }}

{{/* Everything in train.yaml except output_dir, as JSON {"args", "env"}. It identifies the run. */}}
{{- define "vlm-sft.trainRun" -}}
{{- $train := .Values.train }}
{{- $batch := include "vlm-sft.batch" . | fromJson }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- $args := include (printf "vlm-sft.%sArguments" $train.backend) . | fromJson }}
{{- range $name, $value := include "vlm-sft.modelArguments" . | fromJson }}{{ $_ := set $args $name $value }}{{ end }}
{{- $_ := set $args "dataset" $datasets.dataset }}
{{- with $datasets.val_dataset }}{{ $_ := set $args "val_dataset" . }}{{ end }}
{{- $_ := set $args "add_version" false }}
{{- $env := include "vlm-sft.given" $train.env | fromJson }}
{{- $_ := set $env "NPROC_PER_NODE" (int $train.gpusPerNode) }}
{{- if gt (int $train.nodes) 1 }}{{ $_ := set $env "NNODES" (int $train.nodes) }}{{ end }}
{{- if eq $train.accelerator "cpu" }}
{{- $_ := set $args "use_cpu" true }}
{{- $_ := set $env "CUDA_VISIBLE_DEVICES" "" }}
{{- if gt (int $batch.processes) 1 }}{{ $_ := set $args "ddp_backend" "gloo" }}{{ end }}
{{- end -}}
{{ dict "args" $args "env" $env | toJson }}
{{- end }}

{{/* Run directory, with a hash of the config: a run with a changed config never loads the optimizer state of another run. */}}
{{- define "vlm-sft.runDir" -}}
/outputs/{{ .Release.Name }}/{{ include "vlm-sft.trainRun" . | sha256sum | trunc 8 }}
{{- end }}

{{- define "vlm-sft.trainConfig" -}}
{{- $run := include "vlm-sft.trainRun" . | fromJson }}
{{- $_ := set $run.args "output_dir" (include "vlm-sft.runDir" .) }}
{{- include "vlm-sft.swiftYaml" $run | trim }}
{{- end }}

{{/* evaluate.yaml; `vlm-sft evaluate` adds the checkpoint and the output path. */}}
{{- define "vlm-sft.evaluateConfig" -}}
{{- $evaluate := .Values.evaluate }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- $args := include "vlm-sft.modelArguments" . | fromJson }}
{{- $trained := include "vlm-sft.given" .Values.train.args | fromJson }}
{{- range list "model_type" "template" "torch_dtype" "max_length" "attn_impl" "system" }}
{{- if hasKey $trained . }}{{ $_ := set $args . (get $trained .) }}{{ end }}
{{- end }}
{{- range $name, $value := include "vlm-sft.given" $evaluate.args | fromJson }}{{ $_ := set $args $name $value }}{{ end }}
{{- $own := include "vlm-sft.readable" (dict "root" . "datasets" $evaluate.dataset) | fromJsonArray }}
{{- $_ := set $args "val_dataset" ($own | default $datasets.val_dataset) }}
{{- $env := include "vlm-sft.given" .Values.train.env | fromJson }}
{{- range $name, $value := include "vlm-sft.given" $evaluate.env | fromJson }}{{ $_ := set $env $name $value }}{{ end }}
{{- if eq .Values.train.accelerator "cpu" }}
{{- $_ := set $env "CUDA_VISIBLE_DEVICES" "" }}
{{- else if gt (int $evaluate.gpus) 1 }}
{{- $_ := set $env "NPROC_PER_NODE" (int $evaluate.gpus) }}
{{- end }}
{{- include "vlm-sft.swiftYaml" (dict "args" $args "env" $env) | trim }}
{{- end }}

{{/* A mapping without the keys that are null, as JSON. Usage: {{ include "vlm-sft.given" .Values.train.args | fromJson }} */}}
{{- define "vlm-sft.given" -}}
{{- $given := dict }}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $given $name $value }}{{ end }}
{{- end -}}
{{ $given | toJson }}
{{- end }}

{{/* ms-swift's YAML: arguments by name, then the `ENV:` block of variables that ms-swift sets unless they are set.
     Numbers go through toJson, because Helm stores integers as floats and would print 1e+06. A mapping becomes the JSON text
     that ms-swift's command line expects.
     Usage: {{ include "vlm-sft.swiftYaml" (dict "args" $args "env" $env) }} */}}
{{- define "vlm-sft.swiftYaml" -}}
{{- range $name, $value := .args }}
{{ $name }}: {{ kindIs "map" $value | ternary (toJson $value) $value | include "vlm-sft.json" }}
{{- end }}
{{- with .env }}
ENV:
{{- range $name, $value := . }}
  {{ $name }}: {{ include "vlm-sft.json" $value }}
{{- end }}
{{- end }}
{{- end }}
