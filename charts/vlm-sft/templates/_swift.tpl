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

{{/* File of the rows that ms-swift splits off for validation, in the run directory; empty where it splits none. */}}
{{- define "vlm-sft.splitSet" -}}
{{- $train := .Values.train }}
{{- $args := include "vlm-sft.given" $train.args | fromJson }}
{{- $splits := gt (get $args "split_dataset_ratio" | default 0 | float64) 0.0 }}
{{- if and $train.enabled $splits (eq $train.backend "swift") (ne (toString (get $args "streaming")) "true") -}}
{{ include "vlm-sft.runDir" . }}/val_dataset.jsonl
{{- end }}
{{- end }}

{{/* Arguments that training and evaluation share, as JSON.
     Usage: {{ include "vlm-sft.modelArguments" $ | fromJson }} */}}
{{- define "vlm-sft.modelArguments" -}}
{{- $args := dict "model" .Values.model.id "use_hf" true }}
{{- with .Values.model.revision }}{{ $_ := set $args "model_revision" . }}{{ end -}}
{{ $args | toJson }}
{{- end }}

{{/* Everything in train.yaml except output_dir, as JSON {"args", "env"}. */}}
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

{{/* What identifies the run, in the form of train.yaml: the arguments and variables that change what is learned, in one spelling
     each. files/same-run.yaml has the others, with reasons. */}}
{{- define "vlm-sft.identity" -}}
{{- $run := include "vlm-sft.trainRun" . | fromJson }}
{{- $args := $run.args }}
{{- $same := .Files.Get "files/same-run.yaml" | fromYaml }}
{{- if eq (get $args "eval_strategy" | default (get $args "save_strategy") | toString) "no" }}
{{- $_ := set $args "split_dataset_ratio" 0 }}{{/* as ms-swift does: no validation, no rows for it */}}
{{- end }}
{{- $ignored := list }}
{{- range $same.arguments }}{{ $ignored = concat $ignored .names }}{{ end }}
{{- $decides := false }}
{{- range $same.validation.countWith }}{{ $decides = or $decides (not (has (get $args . | toString) (list "" "<nil>" "false"))) }}{{ end }}
{{- if not $decides }}{{ $ignored = concat $ignored $same.validation.names }}{{ end }}
{{- if has $args.lr_scheduler_type $same.stepsOfSchedules.schedules }}{{ $ignored = concat $ignored $same.stepsOfSchedules.names }}{{ end }}
{{- if eq .Values.train.backend "swift" }}
{{- $ignored = concat $ignored $same.sizes.arguments }}
{{- $_ := set $args "effective_batch_size" (include "vlm-sft.batch" . | fromJson).effective }}
{{- end }}
{{- $patterns := $same.sizes.variables }}
{{- range $same.variables }}{{ $patterns = concat $patterns .patterns }}{{ end }}
{{- $pattern := printf "(?i)^(%s)$" (join "|" $patterns | replace "*" ".*") }}
{{- $changing := dict "args" dict "env" dict }}
{{- range $part, $given := $run }}
{{- range $name, $value := $given }}
{{- if not (eq $part "args" | ternary (has $name $ignored) (regexMatch $pattern $name)) }}
{{- if not (has $name (list "model_revision" "system")) }}{{/* texts, even if they look like a number */}}
{{- $value = (include "vlm-sft.canonical" $value | fromJson).value }}
{{- end }}
{{- $_ := set (get $changing $part) $name $value }}
{{- end }}
{{- end }}
{{- end }}
{{- include "vlm-sft.swiftYaml" $changing | trim }}
{{- end }}

{{/* Annotations of the Jobs after a run that may be trained further, as JSON: its length, so that they run again. */}}
{{- define "vlm-sft.lengthAnnotation" -}}
{{- $steps := (.Files.Get "files/same-run.yaml" | fromYaml).stepsOfSchedules }}
{{- $annotations := dict }}
{{- if and .Values.train.enabled (has (get .Values.train.args "lr_scheduler_type") $steps.schedules) }}
{{- $_ := set $annotations "vlm-sft/length" (pick .Values.train.args "num_train_epochs" "max_steps" | toJson) }}
{{- end -}}
{{ $annotations | toJson }}
{{- end }}

{{/* A value as ms-swift reads it, as JSON {"value"}: "1e-4" is 0.0001, "True" is true, and text with braces is a mapping. */}}
{{- define "vlm-sft.canonical" -}}
{{- $value := . }}
{{- if kindIs "slice" . }}
{{- $value = list }}
{{- range . }}{{ $value = append $value (include "vlm-sft.canonical" . | fromJson).value }}{{ end }}
{{- else if kindIs "string" . }}
{{- if regexMatch "^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$" . }}{{ $value = float64 . }}
{{- else if has (lower .) (list "true" "false") }}{{ $value = eq (lower .) "true" }}
{{- else if and (hasPrefix "{" .) (not (hasKey (fromJson .) "Error")) }}{{ $value = toJson (fromJson .) }}
{{- end }}
{{- end -}}
{{ dict "value" $value | toJson }}
{{- end }}

{{/* Run directory, with a hash of what identifies the run: a run never loads the optimizer state of another one. */}}
{{- define "vlm-sft.runDir" -}}
/outputs/{{ .Release.Name }}/{{ include "vlm-sft.identity" . | sha256sum | trunc 8 }}
{{- end }}

{{- define "vlm-sft.trainConfig" -}}
{{- $run := include "vlm-sft.trainRun" . | fromJson }}
{{- $_ := set $run.args "output_dir" (include "vlm-sft.runDir" .) }}
{{- include "vlm-sft.swiftYaml" $run | trim }}
{{- end }}

{{/* evaluate.yaml; `vlm-sft evaluate` adds the model and the output path. */}}
{{- define "vlm-sft.evaluateConfig" -}}
{{- $evaluate := .Values.evaluate }}
{{- $datasets := include "vlm-sft.datasets" . | fromJson }}
{{- $args := include "vlm-sft.modelArguments" . | fromJson }}
{{- if include "vlm-sft.evaluatesHubModel" . }}{{ $args = omit $args "model" "model_revision" }}{{ end }}
{{- if not .Values.model.id }}{{ $args = omit $args "model" }}{{ end }}
{{- $trained := include "vlm-sft.given" .Values.train.args | fromJson }}
{{- range list "model_type" "template" "torch_dtype" "max_length" "attn_impl" "system" }}
{{- if hasKey $trained . }}{{ $_ := set $args . (get $trained .) }}{{ end }}
{{- end }}
{{- range $name, $value := include "vlm-sft.given" $evaluate.args | fromJson }}{{ $_ := set $args $name $value }}{{ end }}
{{- $own := include "vlm-sft.readable" (dict "root" . "datasets" $evaluate.dataset) | fromJsonArray }}
{{- $split := include "vlm-sft.splitSet" . }}
{{- $_ := set $args "val_dataset" ($own | default $datasets.val_dataset | default ($split | empty | ternary (list) (list $split))) }}
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
