"""Commands of the firmware bridge."""

__all__: list[str] = []
