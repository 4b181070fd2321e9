# The Raspberry Pi Pico, with most of its flash as a ROM file system.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
