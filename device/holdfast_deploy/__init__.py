"""What a computer does with devices: `holdfast device` deploys to boards, and runs a device as a program.

Boards load nothing of it. Only run_shell.py runs on MicroPython as well, its port for Unix.
"""
