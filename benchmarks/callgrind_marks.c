/* Begin and end of what callgrind counts; outside of valgrind they do nothing. */
#include <valgrind/callgrind.h>

void bench_start(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void bench_stop(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name); /* before the stop, which forgets */
    CALLGRIND_STOP_INSTRUMENTATION;
}
