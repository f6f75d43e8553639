{{- define "vlm-sft.evaluate.spec" -}}
{{- $evaluate := .Values.evaluate }}
{{- $gpus := eq .Values.train.accelerator "gpu" | ternary (int $evaluate.gpus) 0 }}
{{- $shards := int $evaluate.shards }}
{{- if gt $shards 1 }}
completionMode: Indexed
completions: {{ $shards }}
parallelism: {{ $shards }}
# Failed pods are counted for each part, so that a part that fails is repeated alone.
backoffLimitPerIndex: {{ $evaluate.backoffLimit | toJson }}
{{- else }}
backoffLimit: {{ $evaluate.backoffLimit | toJson }}
{{- end }}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
    - action: FailJob
      onExitCodes: {operator: In, values: [42]}
template:
  metadata: {{- include "vlm-sft.podMetadata" (dict "root" . "component" "evaluate" "annotations" (include "vlm-sft.lengthAnnotation" . | fromJson)) | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "evaluate" "gpus" $gpus "nodes" $shards) | nindent 4 }}
    containers:
      - name: evaluate
        {{- include "vlm-sft.containerBasics" . | nindent 8 }}
        command:
          - vlm-sft
          - evaluate
          - run
          - /config/evaluate.yaml
          - --task={{ $evaluate.task }}
          - {{ printf "--model=%s" ($evaluate.model | default (include "vlm-sft.runDir" .)) | include "vlm-sft.literal" }}
          - --output-dir={{ include "vlm-sft.evaluate.outputDir" . }}
          - --engine={{ $evaluate.engine }}
          - --gpus={{ $gpus }}
          {{- if gt $shards 1 }}
          - --shards={{ $shards }}
          {{- end }}
          {{- with $evaluate.teacher }}
          {{- if .address }}
          - {{ printf "--teacher=%s" .address | include "vlm-sft.literal" }}
          - {{ printf "--teacher-model=%s" .model | include "vlm-sft.literal" }}
          - --threshold={{ .threshold | toJson }}
          - --max-rounds={{ .maxRounds | toJson }}
          - --penalty={{ .penalty | toJson }}
          {{- end }}
          {{- end }}
        env:
          {{- with $evaluate.teacher.apiKeySecret }}
          {{- if .name }}
          - name: VLM_SFT_TEACHER_KEY
            valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
          {{- end }}
          {{- end }}
          {{- include "vlm-sft.env" (dict "root" . "hub" (.Values.offline | ternary "offline" "online")) | nindent 10 }}
        {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 8 }}{{ end }}
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

{{/* Folder of the results, below it TASK/IDENTITY: in the run directory, or the release's own folder without training. */}}
{{- define "vlm-sft.evaluate.outputDir" -}}
{{ .Values.evaluate.model | empty | ternary (include "vlm-sft.runDir" .) (printf "/outputs/%s" .Release.Name) }}/evaluation
{{- end }}

{{/* Workload whose end releases the evaluation: training, or the preparation where another model is evaluated. */}}
{{- define "vlm-sft.evaluate.by" -}}
{{- if .Values.train.enabled -}}
train
{{- else -}}
{{ include "vlm-sft.before" (dict "root" . "component" "evaluate") }}
{{- end }}
{{- end }}

{{- define "vlm-sft.evaluate.configName" -}}
{{ .Release.Name }}-evaluate-config-{{ include "vlm-sft.evaluateConfig" . | sha256sum | trunc 8 }}
{{- end }}
