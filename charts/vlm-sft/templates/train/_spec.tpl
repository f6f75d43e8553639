{{/* Pod template of training; train/_launchers.tpl wraps it into a Job, JobSet or TrainJob. */}}
{{- define "vlm-sft.train.template" -}}
{{- $train := .Values.train }}
{{- $nodes := int $train.nodes }}
{{- $gpus := eq $train.accelerator "gpu" | ternary (int $train.gpusPerNode) 0 }}
{{- $devices := include "vlm-sft.fabric.resources" . | fromJson }}
{{- $released := include "vlm-sft.train.releases" . | fromJsonArray }}
{{- $marker := (include "vlm-sft.datasets" . | fromJson).marker -}}
template:
  metadata: {{- include "vlm-sft.podMetadata" (dict "root" . "component" "train") | nindent 4 }}
  spec:
    restartPolicy: Never
    terminationGracePeriodSeconds: {{ $train.terminationGracePeriodSeconds | toJson }}
    {{- if $released }}
    serviceAccountName: {{ include "vlm-sft.releaserName" (dict "root" . "component" "train") | quote }}
    {{- end }}
    {{- if and (gt $nodes 1) (eq $train.launcher "job") }}
    subdomain: {{ .Release.Name }}-train
    {{- end }}
    {{- include "vlm-sft.podBasics" (dict "root" . "component" "train" "gpus" $gpus "nodes" $nodes) | nindent 4 }}
    {{- with include "vlm-sft.fabric.pod" . }}{{ . | nindent 4 }}{{ end }}
    containers:
      - name: train
        {{- include "vlm-sft.containerBasics" . | nindent 8 }}
            {{- with include "vlm-sft.fabric.capabilities" . }}{{ . | nindent 12 }}{{ end }}
        command:
          - vlm-sft
          - train
          - /config/train.yaml
          - --gpus={{ $gpus }}
          - --min-free-gib={{ $train.minFreeGib | toJson }}
          - --links=/outputs/by_date
          - --grace-s={{ sub (int $train.terminationGracePeriodSeconds) 30 | max 1 }}
          {{- with $marker }}
          - {{ printf "--data-marker=%s" . | include "vlm-sft.literal" }}
          {{- end }}
          {{- if .Values.model.gated }}
          - --gated
          {{- end }}
          {{- if has $train.logBatches (list "first-last" "all") }}
          - --log-batches={{ $train.logBatches }}
          {{- end }}
          {{- if int .Values.evaluate.everySteps }}
          - --curve-task={{ .Values.evaluate.task }}
          - --curve-steps={{ .Values.evaluate.everySteps | toJson }}
          - --curve-samples={{ .Values.evaluate.everyStepsSamples | toJson }}
          {{- with get .Values.evaluate.args "max_new_tokens" }}
          - --curve-tokens={{ toJson . }}
          {{- end }}
          {{- end }}
          {{- if $train.keepBest }}
          - --keep-best
          {{- end }}
          {{- range $released }}
          - --then-release={{ include "vlm-sft.target" (dict "root" $ "component" .) }}
          {{- end }}
        env:
          {{- include "vlm-sft.env" (dict "root" . "hub" (.Values.offline | ternary "offline" "online")) | nindent 10 }}
          {{- if gt $nodes 1 }}
          - name: NODE_RANK
            valueFrom: {fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
          # The Job's name ends in a hash of this spec, so the spec cannot contain it; the pod reads it from its labels.
          - name: JOB_NAME
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['batch.kubernetes.io/job-name']"}}
          {{- if ne $train.launcher "job" }}
          - name: JOBSET_NAME
            valueFrom: {fieldRef: {fieldPath: "metadata.labels['jobset.sigs.k8s.io/jobset-name']"}}
          {{- end }}
          - name: MASTER_ADDR
            value: $(JOB_NAME)-0.{{ eq $train.launcher "job" | ternary (printf "%s-train" .Release.Name) "$(JOBSET_NAME)" }}
          - {name: MASTER_PORT, value: "29500"}
          {{- end }}
          {{- with include "vlm-sft.fabric.env" . }}{{ . | trim | nindent 10 }}{{ end }}
        {{- with include "vlm-sft.envFrom" (dict "root" . "trackers" true) }}{{ . | nindent 8 }}{{ end }}
        resources: {{- include "vlm-sft.resources" (dict "root" . "resources" $train.resources "gpus" $gpus "more" $devices) | nindent 10 }}
        volumeMounts:
          {{- include "vlm-sft.volumeMounts" . | nindent 10 }}
          - {name: shm, mountPath: /dev/shm}
          - {name: config, mountPath: /config, readOnly: true}
          {{- if $released }}
          {{- include "vlm-sft.tokenMount" . | nindent 10 }}
          {{- end }}
    volumes:
      {{- include "vlm-sft.volumes" (dict "root" . "shm" $train.shmSize "token" $released) | nindent 6 }}
      - name: config
        configMap: {name: {{ include "vlm-sft.train.configName" . }}}
{{- end }}

{{- define "vlm-sft.train.configName" -}}
{{ .Release.Name }}-train-config-{{ include "vlm-sft.trainConfig" . | sha256sum | trunc 8 }}
{{- end }}
