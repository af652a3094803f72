"""Scenes: a procedural world of pictures whose color law p(ab | L) is known exactly.

``law`` states the law and its mathematics · ``canvas`` and ``brushes`` paint things in gray · ``compose`` decides what
stands where · ``world`` gives scenes by name · ``source`` offers them as ``data=scenes``.
"""
