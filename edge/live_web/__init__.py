"""The demo in a browser: a page on this device alone, beside the demo in a terminal; nothing is written anywhere."""

__all__: list[str] = []
