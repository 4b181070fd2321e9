"""Holdfast's simulator: the two stories on one machine, with a tap between the parties and a list of what must hold.

It never replaces a part by a mock: AS and devices are the programs that are deployed, in processes of their own.
"""
