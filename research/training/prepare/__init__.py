"""A corpus as token shards: read, without duplicates, encoded, written; by any number of machines.

    piece of the corpus -> records -> shard, by the document's digest -> token stores of the shard

`reading` turns a piece into records, each with the digest of its document and so with its shard;
`shards` turns the records of one shard, in whatever order they come, into a folder. Both are pure
functions of a `job.Job`, so every runner writes the same bytes: a pool of processes (`pool`), a
dask cluster (`on_dask`) or an Apache Beam pipeline (`on_beam`). What is written is described in
`research.training.data.sharded_store`.
"""
