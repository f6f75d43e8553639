{{/* Datasets on the hub that training or evaluation names: the preparation writes each into a file, which they read instead. */}}

{{/* How a dataset is fetched, as JSON: {"id", "arguments", "folder"}. Empty for a file, with train.args.streaming, and without a
     preparation; the trainer then reads it itself. `arguments` are those of ms-swift that change the rows which it reads.
     Usage: {{ include "vlm-sft.hubFetch" (dict "root" $ "dataset" "ORG/NAME#500") | fromJson }} */}}
{{- define "vlm-sft.hubFetch" -}}
{{- $fetch := dict }}
{{- $args := .root.Values.train.args }}
{{- if and (include "vlm-sft.isOnHub" .dataset) .root.Values.prepare.enabled (ne (toString (get $args "streaming")) "true") }}
{{- $id := regexReplaceAll "#[0-9]+$" .dataset "" }}
{{- $own := pick $args "columns" "disable_auto_column_mapping" "model_name" "model_author" "custom_dataset_info" }}
{{- $own = include "vlm-sft.given" $own | fromJson }}
{{- $arguments := "" }}
{{- with $own }}{{ $arguments = toJson . }}{{ end }}
{{- $slug := regexReplaceAll "[^A-Za-z0-9._-]+" $id "-" | trunc 60 | trimSuffix "-" }}
{{- $folder := printf "/outputs/hub/%s-%s" $slug (printf "%s\n%s" $id $arguments | sha256sum | trunc 8) }}
{{- $fetch = dict "id" $id "arguments" $arguments "folder" $folder }}
{{- end -}}
{{ $fetch | toJson }}
{{- end }}

{{/* "true" for a dataset that is neither a file nor an absolute path. Usage: {{ include "vlm-sft.isOnHub" "ORG/NAME#500" }} */}}
{{- define "vlm-sft.isOnHub" -}}
{{- $id := regexReplaceAll "#[0-9]+$" (toString .) "" }}
{{- if not (or (hasPrefix "/" $id) (regexMatch "[.](jsonl|json|csv|parquet|txt)$" $id)) }}true{{ end }}
{{- end }}

{{/* Datasets as training or evaluation reads them, as JSON: those that are fetched by their file, with their own #N.
     Usage: {{ include "vlm-sft.readable" (dict "root" $ "datasets" .Values.train.dataset) | fromJsonArray }} */}}
{{- define "vlm-sft.readable" -}}
{{- $read := list }}
{{- range .datasets }}
{{- $fetch := include "vlm-sft.hubFetch" (dict "root" $.root "dataset" .) | fromJson }}
{{- $read = append $read ($fetch | empty | ternary . (printf "%s/data.parquet%s" $fetch.folder (regexFind "#[0-9]+$" .))) }}
{{- end -}}
{{ $read | toJson }}
{{- end }}

{{/* Datasets that the values name, without those of disabled workloads, as JSON. */}}
{{- define "vlm-sft.namedDatasets" -}}
{{- $named := list }}
{{- if .Values.train.enabled }}{{ $named = concat .Values.train.dataset .Values.train.valDataset }}{{ end }}
{{- if .Values.evaluate.enabled }}{{ $named = concat $named .Values.evaluate.dataset }}{{ end -}}
{{ $named | toJson }}
{{- end }}

{{/* Steps of the preparation that fetch them, as JSON: [{"name", "command"}]. */}}
{{- define "vlm-sft.hubSteps" -}}
{{- $steps := list }}
{{- range include "vlm-sft.namedDatasets" . | fromJsonArray }}
{{- $fetch := include "vlm-sft.hubFetch" (dict "root" $ "dataset" .) | fromJson }}
{{- if $fetch }}
{{- $command := list "vlm-sft" "fetch-data" $fetch.id "--output-dir" $fetch.folder }}
{{- with $fetch.arguments }}{{ $command = concat $command (list "--arguments" .) }}{{ end }}
{{- $names := list }}
{{- range $steps }}{{ $names = append $names (toJson .command) }}{{ end }}
{{- if not (has (toJson $command) $names) }}
{{- $steps = append $steps (dict "name" (printf "hub-%d" (len $steps)) "command" $command) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $steps | toJson }}
{{- end }}
