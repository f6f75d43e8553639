{{/* Steps, order and names of the Jobs. */}}

{{/* Steps of the preparation as JSON: [{"name", "command"}]; empty when there is nothing to do. */}}
{{- define "vlm-sft.prepare.steps" -}}
{{- $prepare := .Values.prepare }}
{{- $steps := list }}
{{- range $i, $command := $prepare.commands }}
{{- $steps = append $steps (dict "name" (printf "command-%d" $i) "command" $command) }}
{{- end }}
{{- if and $prepare.dataset $prepare.downloadImages (not $prepare.skipImages) }}
{{- $images := list "vlm-sft" "images" $prepare.dataset "--input" $prepare.input "--splits" (join "," $prepare.splits) }}
{{- $images = concat $images (list "--max-samples" (toJson $prepare.maxSamples) "--max-missing-share" (toJson $prepare.maxDropShare)) }}
{{- with $prepare.sources }}{{ $images = concat $images (list "--sources" (join "," .)) }}{{ end }}
{{- range $prepare.imageRoots }}{{ $images = concat $images (list "--image-root" .) }}{{ end }}
{{- $steps = append $steps (dict "name" "images" "command" $images) }}
{{- end }}
{{- if $prepare.dataset }}
{{- $data := list "vlm-sft" "prepare" $prepare.dataset "--input" $prepare.input "--output-dir" $prepare.outputDir }}
{{- $data = concat $data (list "--splits" (join "," $prepare.splits) "--layout" $prepare.layout "--loss" $prepare.loss) }}
{{- $data = concat $data (list "--feedback" $prepare.feedback "--max-samples" (toJson $prepare.maxSamples)) }}
{{- $data = concat $data (list "--max-history-rounds" (toJson $prepare.maxHistoryRounds)) }}
{{- $data = concat $data (list "--max-drop-share" (toJson $prepare.maxDropShare)) }}
{{- with $prepare.systemPrompt }}{{ $data = concat $data (list "--system-prompt" .) }}{{ end }}
{{- with $prepare.sources }}{{ $data = concat $data (list "--sources" (join "," .)) }}{{ end }}
{{- range $prepare.imageRoots }}{{ $data = concat $data (list "--image-root" .) }}{{ end }}
{{- if $prepare.skipImages }}{{ $data = append $data "--skip-images" }}{{ end }}
{{- $steps = append $steps (dict "name" "data" "command" $data) }}
{{- end }}
{{- $model := .Values.model }}
{{- if and $model.download $model.id (not (hasPrefix "/" $model.id)) (or .Values.train.enabled .Values.evaluate.enabled) }}
{{- $id := ternary (printf "%s@%s" $model.id $model.revision) $model.id (ne $model.revision "") }}
{{- $steps = append $steps (dict "name" "model" "command" (list "vlm-sft" "fetch" $id)) }}
{{- end -}}
{{ $steps | toJson }}
{{- end }}

{{/* "true" when a preparation runs; training is held until it finishes. */}}
{{- define "vlm-sft.prepare.runs" -}}
{{- if and .Values.prepare.enabled (include "vlm-sft.prepare.steps" . | fromJsonArray) }}true{{ end }}
{{- end }}

{{/* Workloads that finished training releases, as JSON. */}}
{{- define "vlm-sft.train.releases" -}}
{{- $released := list }}
{{- range list "evaluate" "export" }}
{{- if (index $.Values .).enabled }}{{ $released = append $released . }}{{ end }}
{{- end -}}
{{ $released | toJson }}
{{- end }}

{{/* Name of a workload's Job. The queue is part of the hash, because a running Job cannot change its queue. Pod names of a JobSet
     or TrainJob have a longer suffix (-node-0-999-abcde) and must fit 63 characters too.
     Usage: {{ include "vlm-sft.jobName" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.jobName" -}}
{{- $spec := include (printf "vlm-sft.%s.spec" .component) .root }}
{{- if .root.Values.kueue.queueName }}{{ $spec = printf "%s\nkueue: %s" $spec (toJson .root.Values.kueue) }}{{ end }}
{{- $base := .root.Release.Name }}
{{- if ne (include "vlm-sft.kind" . | fromJson).kind "Job" }}{{ $base = trunc 31 $base | trimSuffix "-" }}{{ end -}}
{{ include "vlm-sft.hashedName" (dict "base" $base "component" .component "spec" $spec) }}
{{- end }}
