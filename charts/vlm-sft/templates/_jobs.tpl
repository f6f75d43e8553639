{{/* Order and names of the Jobs. */}}

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
