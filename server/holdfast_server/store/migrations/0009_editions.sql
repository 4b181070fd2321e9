-- Exports are counted: a device knows the later one by it, whatever a clock says (holdfast_core/provisioning.py).
INSERT INTO sequences (kind, last) VALUES ('edition', 0);
