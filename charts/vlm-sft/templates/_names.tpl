{{/* Names and labels. */}}

{{/* Labels that never change for a component: what Services select by, and all that a pod template carries.
     Usage: {{ include "vlm-sft.selectorLabels" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.selectorLabels" -}}
app.kubernetes.io/name: vlm-sft
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object. The chart's version stays off pod templates: a new chart must not make a new run.
     Usage: {{ include "vlm-sft.labels" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.labels" -}}
{{ include "vlm-sft.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Name of a Job or Pod that ends in a hash of what it runs: another spec is another object, never an immutable field.
     Usage: {{ include "vlm-sft.hashedName" (dict "root" $ "component" "train" "spec" $spec) }} */}}
{{- define "vlm-sft.hashedName" -}}
{{ .root.Release.Name }}-{{ .component }}-{{ .spec | sha256sum | trunc 8 }}
{{- end }}

{{/* Claim that is mounted at /cache or /outputs.
     Usage: {{ include "vlm-sft.claimName" (dict "root" $ "claim" "cache") }} */}}
{{- define "vlm-sft.claimName" -}}
{{ (index .root.Values.storage .claim).existingClaim | default (printf "%s-%s" .root.Release.Name .claim) }}
{{- end }}

{{/* A string that reaches `args` or `env`: Kubernetes would expand $(NAME) in it.
     Usage: {{ include "vlm-sft.literal" $text }} */}}
{{- define "vlm-sft.literal" -}}
{{ . | toString | replace "$(" "$$(" | toJson }}
{{- end }}
