"""Answers that come later: what a device that sleeps is asked is kept, and its answer waits at an unguessable place."""
