/* MicroPython's QEMU port with the floats of 64 bits that some vectors need, and native modules also on a Cortex-M0.
 * Selected by MP_CONFIGFILE, so that the port's own files stay as they are. */
#include <mpconfigport.h>

#undef MICROPY_FLOAT_IMPL
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_DOUBLE)

#if defined(QEMU_SOC_NRF51)
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_THUMB_ARMV7M (0)
#define MICROPY_EMIT_INLINE_THUMB (1)
#endif
