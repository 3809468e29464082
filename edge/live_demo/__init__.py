"""The demo in a terminal: what is heard and decided, while it happens; nothing is recorded."""

__all__: list[str] = []
