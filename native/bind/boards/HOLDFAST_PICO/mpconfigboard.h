// A Raspberry Pi Pico as it is, but for how its 2 MB of flash are divided: 640 KB of firmware, 1216 KB of ROM file
// system (code runs from there without being copied to RAM), 192 KB of file system that can be written.
#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico"
#define MICROPY_HW_ROMFS_BYTES (1216 * 1024)
#define MICROPY_HW_FLASH_STORAGE_BYTES (192 * 1024)
