"""What pods ask of the cluster and the hub: a model, a held Job's release, a notebook server."""
