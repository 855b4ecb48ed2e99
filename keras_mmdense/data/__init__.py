"""Songs on disk, and the batches that train networks."""
