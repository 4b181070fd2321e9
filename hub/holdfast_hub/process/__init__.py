"""The process of the hub: configuration, clock, health, logs, and the assembly of all rooms into one event loop."""
