"""A report for somebody who decides and builds no models.

`results_folder` reads what was measured, `scores` reads single clips, `home` tells rates as errors a day, `weakest`
finds for whom they are worst, `drawing` draws, `examples` renders clips to be listened to, `sections` and `page` write.
"""

__all__: list[str] = []
