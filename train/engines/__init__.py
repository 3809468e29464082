"""Who makes the shards of a job: processes of this machine, or the workers of an Apache Beam pipeline.

An engine takes the numbers of the shards that are missing and a picklable function that makes one of them. The function
puts its shard in place itself, whole or not at all, and depends on nothing but the number: so every engine leaves the
same bytes, and going on after whatever stopped a run is making what is still missing.

=============  ===================================================================================================
`choice`       which engine, and how it is set up: :class:`~train.engines.choice.Engine`, made from the command line
`work`         what happens around one shard in a worker, and what the worker tells of it
`rounds`       goes on without the workers that died, until all shards are made or nothing helps
`local`        the engine that is always there: spawned processes
`beam`         Apache Beam (the extra ``scale``); `beam_driver` is the process that holds the pipeline
=============  ===================================================================================================
"""

__all__: list[str] = []
