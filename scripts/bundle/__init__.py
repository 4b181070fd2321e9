"""Boardc, the compiler that makes of our sources what boards load. README.md has its passes and what each refuses.

It never runs what it compiles, and imports none of it. A text that it does not understand is Refused, never guessed at.
"""
