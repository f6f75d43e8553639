{{/* What the cluster has to have. Only an API server knows, so `genvalues` cannot say the same and `helm template` says nothing. */}}
{{- define "vlm-sft.check.cluster" -}}
{{- $problems := list }}
{{- $kind := include "vlm-sft.kind" (dict "root" . "component" "train") | fromJson }}
{{- $known := .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" }}{{/* every API server has it; Helm's own list has not */}}
{{- if and .Values.train.enabled $known (not (.Capabilities.APIVersions.Has $kind.apiVersion)) }}
{{- $problems = append $problems (printf "train.launcher: got %s, but the cluster has no %s; have it installed, or use job" .Values.train.launcher $kind.apiVersion) }}
{{- end }}
{{- if and .Values.kueue.queueName (eq .Values.kueue.hold "label") }}
{{- range list "kueue.x-k8s.io/v1beta2" "kueue.x-k8s.io/v1beta1" }}
{{- if and (not $problems) ($.Capabilities.APIVersions.Has .) (lookup . "LocalQueue" $.Release.Namespace "default") }}
{{- $problems = append $problems (printf "kueue.hold: label, but the LocalQueue default of %s would take a held Job at once and start it; use gate (Kueue 0.19 or newer), or have that queue renamed" $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
