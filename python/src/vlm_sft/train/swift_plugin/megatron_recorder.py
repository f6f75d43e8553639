"""Plug-in for `megatron sft`: registers the callbacks of a training run.

`swift infer` and `swift export` load it too when a checkpoint's args.json names it, also in images without Megatron.
"""

import os

if "VLM_SFT_ATTEMPT_DIR" in os.environ:
    from vlm_sft.train.swift_plugin import megatron_callbacks

    megatron_callbacks.register()
