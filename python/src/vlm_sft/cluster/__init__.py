"""Commands of pods that use the cluster or the hub: fetch a model, release a held Job, check storage, run Jupyter."""
