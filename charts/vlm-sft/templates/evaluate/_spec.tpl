{{- define "vlm-sft.evaluate.spec" -}}
{{- $evaluate := .Values.evaluate }}
{{- $gpus := eq .Values.train.accelerator "gpu" | ternary (int $evaluate.gpus) 0 -}}
backoffLimit: {{ $evaluate.backoffLimit | toJson }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    - action: FailJob
      onExitCodes: {operator: In, values: [42]}
template:
  metadata:
    labels: {{- include "vlm-sft.selectorLabels" (dict "root" . "component" "evaluate") | nindent 6 }}
  spec:
    restartPolicy: Never
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "evaluate" "gpus" $gpus) | nindent 4 }}
    containers:
      - name: evaluate
        {{- include "vlm-sft.containerBasics" . | nindent 8 }}
        command:
          - vlm-sft
          - evaluate
          - /config/evaluate.yaml
          - --run-dir={{ include "vlm-sft.runDir" . }}
          - --gpus={{ $gpus }}
        env:
          {{- include "vlm-sft.env" (dict "root" . "hub" (.Values.offline | ternary "offline" "online")) | nindent 10 }}
        resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $evaluate.resources "gpus" $gpus) | nindent 10 }}
        volumeMounts:
          {{- include "vlm-sft.volumeMounts" . | nindent 10 }}
          - {name: shm, mountPath: /dev/shm}
          - {name: config, mountPath: /config, readOnly: true}
    volumes:
      {{- include "vlm-sft.volumes" (dict "root" . "shm" $evaluate.shmSize) | nindent 6 }}
      - name: config
        configMap: {name: {{ include "vlm-sft.evaluate.configName" . }}}
{{- end }}

{{- define "vlm-sft.evaluate.configName" -}}
{{ .Release.Name }}-evaluate-config-{{ include "vlm-sft.evaluateConfig" . | sha256sum | trunc 8 }}
{{- end }}
