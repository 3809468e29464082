"""The demo in a terminal (``vivavoce live``): what is shown, apart from how it is drawn."""

__all__: list[str] = []
