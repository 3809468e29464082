"""The benchmark: how long each stage takes on this machine, told so that two machines can be compared."""

__all__: list[str] = []
