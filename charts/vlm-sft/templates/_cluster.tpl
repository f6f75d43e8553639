{{/* What the cluster must have. Only an API server knows this, so `helm template` and `genvalues` skip these checks. */}}
{{- define "vlm-sft.check.cluster" -}}
{{- $problems := list }}
{{- $kind := include "vlm-sft.kind" (dict "root" . "component" "train") | fromJson }}
{{- $known := .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" }}{{/* every API server has it; Helm's built-in list does not */}}
{{- if and .Values.train.enabled $known (not (.Capabilities.APIVersions.Has $kind.apiVersion)) }}
{{- $problems = append $problems (printf "train.launcher: got %s, but the cluster has no %s; install it, or use job" .Values.train.launcher $kind.apiVersion) }}
{{- end }}
{{- if and .Values.kueue.queueName (eq .Values.kueue.hold "label") }}
{{- range list "kueue.x-k8s.io/v1beta2" "kueue.x-k8s.io/v1beta1" }}
{{- if and (not $problems) ($.Capabilities.APIVersions.Has .) (lookup . "LocalQueue" $.Release.Namespace "default") }}
{{- $problems = append $problems (printf "kueue.hold: label, but the LocalQueue default of namespace %s would start a held Job at once; use gate (Kueue 0.19 or newer), or rename that queue" $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
