{{/* Names and labels. */}}

{{/* Labels that never change for a component: the selectors of Services, and the only labels of pod templates.
     Usage: {{ include "vlm-sft.selectorLabels" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.selectorLabels" -}}
app.kubernetes.io/name: vlm-sft
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}{{/* quoted: y and on are valid release names */}}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of an object. Pod templates do not have the chart's version, so that a new chart version starts no new run.
     Usage: {{ include "vlm-sft.labels" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.labels" -}}
{{ include "vlm-sft.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Name of a Job or Pod, which ends in a hash of its spec: a changed spec creates a new object instead of changing immutable
     fields. The hash covers the parsed content, so that a changed comment or line break in a template starts no new run.
     Usage: {{ include "vlm-sft.hashedName" (dict "base" .Release.Name "component" "train" "spec" $spec) }} */}}
{{- define "vlm-sft.hashedName" -}}
{{ .base }}-{{ .component }}-{{ .spec | fromYaml | toJson | sha256sum | trunc 8 }}
{{- end }}

{{/* Claim that is mounted at /cache or /outputs.
     Usage: {{ include "vlm-sft.claimName" (dict "root" $ "claim" "cache") }} */}}
{{- define "vlm-sft.claimName" -}}
{{ (index .root.Values.storage .claim).existingClaim | default (printf "%s-%s" .root.Release.Name .claim) }}
{{- end }}

{{/* "true" unless the DDP check, which mounts no claim, is all that is enabled. Claims that exist stay in the release, because
     Helm would delete those that are not kept. */}}
{{- define "vlm-sft.hasClaims" -}}
{{- $has := not .Values.ddpCheck.enabled }}
{{- range list "prepare" "train" "evaluate" "jupyter" "dataPod" "export" "serve" "tensorboard" "sync" }}
{{- $has = or $has (index $.Values .).enabled }}
{{- end }}
{{- range list "cache" "outputs" }}
{{- $has = or $has (lookup "v1" "PersistentVolumeClaim" $.Release.Namespace (printf "%s-%s" $.Release.Name .)) }}
{{- end }}
{{- if $has }}true{{ end }}
{{- end }}

{{/* Any value as JSON that is valid YAML: toJson does not escape characters that YAML treats as a line break (U+0085) or
     refuses (other control characters, U+FEFF).
     Usage: {{ include "vlm-sft.json" $value }} */}}
{{- define "vlm-sft.json" -}}
{{- $json := toJson . }}
{{- range regexFindAll "[\\x7f-\\x{9f}\\x{feff}\\x{fffe}\\x{ffff}]" $json -1 | uniq }}
{{- $json = replace . (printf "%+q" . | trimAll "\"" | replace "\\x7f" "\\u007f") $json }}
{{- end }}
{{- $json }}
{{- end }}

{{/* A string for `command` or `env`, where Kubernetes would expand $(NAME) and replace $$ by $.
     Usage: {{ include "vlm-sft.literal" $text }} */}}
{{- define "vlm-sft.literal" -}}
{{ . | toString | replace "$" "$$" | include "vlm-sft.json" }}
{{- end }}
