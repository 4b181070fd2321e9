"""Ways to devices and to the broker: sockets, serial lines, radios. They decide nothing."""
