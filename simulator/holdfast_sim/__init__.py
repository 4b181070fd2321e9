"""Holdfast's simulator: AS, devices and links in one process on a virtual clock, with traces and reports.

It never replaces the real parts by mocks: the AS and the devices in it are the ones that are deployed.
"""
