{{- define "vlm-sft.jupyter.spec" -}}
{{- $jupyter := .Values.jupyter -}}
restartPolicy: OnFailure
activeDeadlineSeconds: {{ $jupyter.activeDeadlineSeconds | toJson }}
{{ include "vlm-sft.podBasics" (dict "root" . "component" "jupyter" "gpus" $jupyter.gpus) }}
containers:
  - name: jupyter
    {{- include "vlm-sft.containerBasics" . | nindent 4 }}
    command:
      - vlm-sft
      - jupyter
      - --token-file=/outputs/{{ .Release.Name }}/jupyter-token
      - --root-dir=/outputs
    env: {{- include "vlm-sft.env" (dict "root" . "hub" "online") | nindent 6 }}
    {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 4 }}{{ end }}
    ports:
      - {name: http, containerPort: 8888}
    readinessProbe:
      tcpSocket: {port: http}
    resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $jupyter.resources "gpus" $jupyter.gpus) | nindent 6 }}
    volumeMounts:
      {{- include "vlm-sft.volumeMounts" . | nindent 6 }}
      - {name: shm, mountPath: /dev/shm}
volumes: {{- include "vlm-sft.volumes" (dict "root" . "shm" $jupyter.shmSize) | nindent 2 }}
{{- end }}
