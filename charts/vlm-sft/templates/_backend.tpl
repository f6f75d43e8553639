{{/* train.backend: the arguments that differ between `swift sft` and `megatron sft`, and the GPUs that share a row. */}}

{{/* GPUs that process the same rows: (gpusPerNode x nodes) / this is the data-parallel size. Experts are split over the rest. */}}
{{- define "vlm-sft.gpusPerRank" -}}
{{- $parallel := .Values.train.parallel }}
{{- mul (int $parallel.tensor) (int $parallel.pipeline) (int $parallel.context) (int $parallel.sequence) | max 1 }}
{{- end }}

{{/* Arguments of `swift sft` as JSON: train.args, and the arguments that only this backend has. */}}
{{- define "vlm-sft.swiftArguments" -}}
{{- $train := .Values.train }}
{{- $args := include "vlm-sft.given" $train.args | fromJson }}
{{- $_ := set $args "per_device_train_batch_size" (int $train.batchSizePerGpu) }}
{{- $_ := set $args "gradient_accumulation_steps" (int (include "vlm-sft.batch" . | fromJson).accumulation) }}
{{- if gt (int $train.parallel.sequence) 1 }}{{ $_ := set $args "sequence_parallel_size" (int $train.parallel.sequence) }}{{ end }}
{{- if hasPrefix "zero" $train.sharding }}{{ $_ := set $args "deepspeed" $train.sharding }}{{ end }}
{{- if eq $train.sharding "fsdp2" }}
{{- $_ := set $args "fsdp" "fsdp2" }}
{{- $_ := set $args "gradient_checkpointing" false }}{{/* ms-swift's fsdp2 recomputes activations itself */}}
{{- end -}}
{{ $args | toJson }}
{{- end }}

{{/* Arguments of `megatron sft` as JSON. Its defaults differ from `swift sft` (full tuning, a merged copy of the model beside
     each adapter); the chart sets those of swift sft. gradient_checkpointing becomes recompute_granularity. */}}
{{- define "vlm-sft.megatronArguments" -}}
{{- $train := .Values.train }}
{{- $given := include "vlm-sft.given" $train.args | fromJson }}
{{- $args := dict "tuner_type" "lora" "merge_lora" false }}
{{- if gt (int $train.parallel.tensor) 1 }}{{ $_ := set $args "sequence_parallel" true }}{{ end }}
{{- if and (hasKey $given "gradient_checkpointing") (not (hasKey $given "recompute_granularity")) }}
{{- $_ := set $args "recompute_granularity" ($given.gradient_checkpointing | ternary "full" "none") }}
{{- if $given.gradient_checkpointing }}
{{- $_ := set $args "recompute_method" "uniform" }}
{{- $_ := set $args "recompute_num_layers" 1 }}
{{- end }}
{{- end }}
{{- range $name, $value := omit $given "gradient_checkpointing" }}{{ $_ := set $args $name $value }}{{ end }}
{{- $_ := set $args "micro_batch_size" (int $train.batchSizePerGpu) }}
{{- $_ := set $args "global_batch_size" (int (include "vlm-sft.batch" . | fromJson).effective) }}
{{- range $name := list "tensor" "pipeline" "expert" }}
{{- $_ := set $args (printf "%s_model_parallel_size" $name) (int (index $train.parallel $name)) }}
{{- end }}
{{- $_ := set $args "context_parallel_size" (int $train.parallel.context) -}}
{{ $args | toJson }}
{{- end }}

{{- define "vlm-sft.check.parallel" -}}
{{- $problems := list }}
{{- $train := .Values.train }}
{{- $parallel := $train.parallel }}
{{- if $train.enabled }}
{{- if eq $train.backend "swift" }}
{{- range list "tensor" "pipeline" "expert" "context" }}
{{- if gt (int (index $parallel .)) 1 }}
{{- $problems = append $problems (printf "train.parallel.%s: got %d, but train.backend swift supports only train.parallel.sequence; use 1, or train.backend: megatron" . (int (index $parallel .))) }}
{{- end }}
{{- end }}
{{- else }}
{{- if gt (int $parallel.sequence) 1 }}
{{- $problems = append $problems (printf "train.parallel.sequence: got %d, but train.backend megatron splits rows by context; use train.parallel.context, or train.backend: swift" (int $parallel.sequence)) }}
{{- end }}
{{- if has $train.logBatches (list "first-last" "all") }}
{{- $problems = append $problems (printf "train.logBatches: got %s, but train.backend megatron builds its batches elsewhere; use none, or train.backend: swift" $train.logBatches) }}
{{- end }}
{{- if ne $train.sharding "ddp" }}
{{- $problems = append $problems (printf "train.sharding: got %s, but train.backend megatron shards with its own optimizer; use ddp, or train.backend: swift" $train.sharding) }}
{{- end }}
{{- if eq $train.accelerator "cpu" }}
{{- $problems = append $problems "train.accelerator: got cpu, but train.backend megatron needs GPUs; use gpu, or train.backend: swift" }}
{{- end }}
{{- $given := include "vlm-sft.given" $train.args | fromJson }}
{{- if not (or (hasKey $given "num_train_epochs") (hasKey $given "train_iters")) }}
{{- $problems = append $problems "train.args.num_train_epochs: not set, and megatron sft has no default; set it, or train.args.train_iters" }}
{{- end }}
{{- end }}
{{- $gpus := mul (int $train.gpusPerNode) (int $train.nodes) }}
{{- $unit := eq $train.accelerator "cpu" | ternary "processes" "GPUs" }}
{{- range $key, $names := dict "train.parallel" (list "tensor" "pipeline" "context" "sequence") "train.parallel.expert" (list "expert" "pipeline") }}
{{- $size := 1 }}
{{- $factors := list }}
{{- range $names }}
{{- $size = mul $size (int (index $parallel .)) | max 1 }}
{{- if gt (int (index $parallel .)) 1 }}{{ $factors = append $factors (printf "%s %d" . (int (index $parallel .))) }}{{ end }}
{{- end }}
{{- if mod $gpus $size }}
{{- $below := mul (div $gpus $size) $size }}
{{- $nearest := printf "%d" (add $below $size) }}
{{- if $below }}{{ $nearest = printf "%d or %s" $below $nearest }}{{ end }}
{{- $problems = append $problems (printf "%s: got %d %s, need a multiple of %d (%s); use %s, or other sizes" $key $gpus $unit $size (join " x " $factors) $nearest) }}
{{- end }}
{{- end }}
{{- end -}}
{{ $problems | toJson }}
{{- end }}
