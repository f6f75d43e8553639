{{/* A pod that only mounts the volumes; `kubectl cp` and `kubectl exec` use it. */}}
{{- define "vlm-sft.dataPod.spec" -}}
restartPolicy: Never
activeDeadlineSeconds: {{ .Values.dataPod.activeDeadlineSeconds | toJson }}
# `sleep` ignores SIGTERM as the first process of a container.
terminationGracePeriodSeconds: 1
{{ include "vlm-sft.podBasics" (dict "root" . "component" "data" "gpus" 0) }}
containers:
  - name: data
    {{- include "vlm-sft.containerBasics" . | nindent 4 }}
    command: [sleep, infinity]
    env: {{- include "vlm-sft.env" (dict "root" . "hub" "online") | nindent 6 }}
    {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 4 }}{{ end }}
    resources: {{- include "vlm-sft.resources" (dict "root" . "resources" .Values.dataPod.resources "gpus" 0) | nindent 6 }}
    volumeMounts: {{- include "vlm-sft.volumeMounts" . | nindent 6 }}
volumes: {{- include "vlm-sft.volumes" (dict "root" .) | nindent 2 }}
{{- end }}
