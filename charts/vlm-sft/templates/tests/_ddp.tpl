{{/* Job that `helm test` runs, with the processes of training but without its data and claims. */}}
{{- define "vlm-sft.ddpCheck.spec" -}}
{{- $check := .Values.ddpCheck }}
{{- $train := .Values.train }}
{{- $nodes := int $train.nodes }}
{{- $gpus := eq $train.accelerator "gpu" | ternary (int $train.gpusPerNode) 0 }}
{{- $devices := include "vlm-sft.fabric.resources" . | fromJson -}}
backoffLimit: 0
activeDeadlineSeconds: {{ $check.activeDeadlineSeconds | toJson }}
# Keep the log for a day; `helm uninstall` does not delete hooks.
ttlSecondsAfterFinished: 86400
{{- if gt $nodes 1 }}
completionMode: Indexed
completions: {{ $nodes }}
parallelism: {{ $nodes }}
{{- end }}
template:
  metadata: {{- include "vlm-sft.podMetadata" (dict "root" . "component" "ddp-check") | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- if gt $nodes 1 }}
    subdomain: {{ .Release.Name }}-ddp-check
    {{- end }}
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "ddp-check" "gpus" $gpus "nodes" $nodes) | nindent 4 }}
    {{- with include "vlm-sft.fabric.pod" . }}{{ . | nindent 4 }}{{ end }}
    containers:
      - name: ddp-check
        {{- include "vlm-sft.containerBasics" . | nindent 8 }}
            {{- with include "vlm-sft.fabric.capabilities" . }}{{ . | nindent 12 }}{{ end }}
        command:
          - vlm-sft
          - ddp-check
          - --gpus={{ $gpus }}
          - --processes={{ int $train.gpusPerNode }}
          - --timeout-s={{ $check.timeoutSeconds | toJson }}
          - --samples={{ $check.samples | toJson }}
          - --features={{ $check.features | toJson }}
          - --classes={{ $check.classes | toJson }}
          - --epochs={{ $check.epochs | toJson }}
          - --batch={{ $check.batchSize | toJson }}
          - --learning-rate={{ $check.learningRate | toJson }}
          - --seed={{ $check.seed | toJson }}
        env:
          - {name: HOME, value: /tmp}
          - {name: USER, value: vlm-sft}
          - {name: PYTHONUNBUFFERED, value: "1"}
          {{- with include "vlm-sft.extraEnv" . }}{{ . | nindent 10 }}{{ end }}
          {{- range $name, $value := include "vlm-sft.given" $train.env | fromJson }}
          {{- if not (or (hasKey $.Values.fabric.env $name) (hasKey $.Values.extraEnv $name)) }}
          - name: {{ $name }}
            value: {{ kindIs "string" $value | ternary $value (toJson $value) | include "vlm-sft.literal" }}
          {{- end }}
          {{- end }}
          {{- if gt $nodes 1 }}
          - {name: NNODES, value: {{ $nodes | quote }}}
          - name: NODE_RANK
            valueFrom: {fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
          - {name: MASTER_ADDR, value: {{ .Release.Name }}-ddp-check-0.{{ .Release.Name }}-ddp-check}
          - {name: MASTER_PORT, value: "29500"}
          {{- end }}
          {{- with include "vlm-sft.fabric.env" . }}{{ . | trim | nindent 10 }}{{ end }}
        {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" false) }}{{ . | nindent 8 }}{{ end }}
        resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $check.resources "gpus" $gpus "more" $devices) | nindent 10 }}
        volumeMounts:
          - {name: tmp, mountPath: /tmp}
          - {name: shm, mountPath: /dev/shm}
          {{- include "vlm-sft.certificates.mount" . | nindent 10 }}
    volumes:
      - name: tmp
        emptyDir: {}
      {{- include "vlm-sft.certificates.volume" . | nindent 6 }}
      - name: shm
        emptyDir: {medium: Memory, sizeLimit: {{ $check.shmSize | toJson }}}
{{- end }}
