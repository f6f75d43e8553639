{{/* Which Jobs there are, what they are called, and who releases whom: prepare -> train -> evaluate. */}}

{{/* Steps of the preparation as JSON: [{"name", "command"}]; none when there is nothing to do. */}}
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

{{/* "true" when a preparation runs; training is held until then. */}}
{{- define "vlm-sft.prepare.runs" -}}
{{- if and .Values.prepare.enabled (include "vlm-sft.prepare.steps" . | fromJsonArray) }}true{{ end }}
{{- end }}

{{/* Name of a workload's Job. Usage: {{ include "vlm-sft.jobName" (dict "root" $ "component" "train") }} */}}
{{- define "vlm-sft.jobName" -}}
{{- $spec := include (printf "vlm-sft.%s.spec" .component) .root -}}
{{ include "vlm-sft.hashedName" (dict "root" .root "component" .component "spec" $spec) }}
{{- end }}

{{/* `suspend` of a Job that another one releases when it has finished. An upgrade renders what the live Job has, so it holds
     nothing that runs; a Job that is made anew after its releaser's end is not held, for nobody would release it.
     Usage: {{ include "vlm-sft.suspend" (dict "root" $ "component" "train" "by" "prepare") }} */}}
{{- define "vlm-sft.suspend" -}}
{{- $live := include "vlm-sft.jobName" . | lookup "batch/v1" "Job" .root.Release.Namespace }}
{{- $releaser := include "vlm-sft.jobName" (dict "root" .root "component" .by) | lookup "batch/v1" "Job" .root.Release.Namespace }}
{{- if $live }}{{ (get $live.spec "suspend") | default false }}
{{- else if $releaser }}{{ hasKey ($releaser.status | default dict) "completionTime" | not }}
{{- else }}true{{ end }}
{{- end }}

{{/* Service account, role and binding that may release one Job and nothing else.
     Usage: {{ include "vlm-sft.releaser" (dict "root" $ "component" "prepare" "job" $trainJob) }} */}}
{{- define "vlm-sft.releaser" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
rules:
  - apiGroups: [batch]
    resources: [jobs]
    resourceNames: [{{ .job }}]
    verbs: [get, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .root.Release.Name }}-{{ .component }}
  labels: {{- include "vlm-sft.labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .root.Release.Name }}-{{ .component }}}
subjects:
  - {kind: ServiceAccount, name: {{ .root.Release.Name }}-{{ .component }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

{{/* Mount of the API token in the one container that needs it. */}}
{{- define "vlm-sft.tokenMount" -}}
- {name: api-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
