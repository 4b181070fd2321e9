/* MicroPython's QEMU port with what every real board has: time, select, the cryptolib of the emulated module, and doubles
 * off as they are. Selected by micropython.mk through MP_CONFIGFILE, so that the port's own files stay as they are. */
#include <mpconfigport.h>

#undef MICROPY_PY_TIME
#define MICROPY_PY_TIME (1)
#undef MICROPY_PY_SELECT
#define MICROPY_PY_SELECT (1)
#undef MICROPY_PY_ASYNCIO
#define MICROPY_PY_ASYNCIO (1)
/* A board's file system buffers little. */
#define MICROPY_PY_OS_SYNC (1)
