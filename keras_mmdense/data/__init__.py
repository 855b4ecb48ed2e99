"""Songs on disk, synthesised songs, and the batches that train networks."""
