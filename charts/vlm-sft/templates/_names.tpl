{{/* Names and labels. */}}

{{/* Labels that never change for a component: what Services select by, and all that a pod template carries.
     Usage: {{ include "vlm-sft.selectorLabels" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.selectorLabels" -}}
app.kubernetes.io/name: vlm-sft
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}{{/* y and on are release names too */}}
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
     What is hashed is the content, so that another comment or line break in a template makes no new run.
     Usage: {{ include "vlm-sft.hashedName" (dict "base" .Release.Name "component" "train" "spec" $spec) }} */}}
{{- define "vlm-sft.hashedName" -}}
{{ .base }}-{{ .component }}-{{ .spec | fromYaml | toJson | sha256sum | trunc 8 }}
{{- end }}

{{/* Claim that is mounted at /cache or /outputs.
     Usage: {{ include "vlm-sft.claimName" (dict "root" $ "claim" "cache") }} */}}
{{- define "vlm-sft.claimName" -}}
{{ (index .root.Values.storage .claim).existingClaim | default (printf "%s-%s" .root.Release.Name .claim) }}
{{- end }}

{{/* Any value as JSON that is YAML too: toJson leaves characters as they are that YAML takes for a line break (U+0085) or
     refuses (other controls, U+FEFF).
     Usage: {{ include "vlm-sft.json" $value }} */}}
{{- define "vlm-sft.json" -}}
{{- $json := toJson . }}
{{- range regexFindAll "[\\x7f-\\x{9f}\\x{feff}\\x{fffe}\\x{ffff}]" $json -1 | uniq }}
{{- $json = replace . (printf "%+q" . | trimAll "\"" | replace "\\x7f" "\\u007f") $json }}
{{- end }}
{{- $json }}
{{- end }}

{{/* A string that reaches `command` or `env`, where Kubernetes would expand $(NAME) and make one of $$.
     Usage: {{ include "vlm-sft.literal" $text }} */}}
{{- define "vlm-sft.literal" -}}
{{ . | toString | replace "$" "$$" | include "vlm-sft.json" }}
{{- end }}
