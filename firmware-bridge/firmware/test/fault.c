/* For a test image alone: the main loop comes upon what is no instruction as soon as the relay is on. (The emulator
 * lets accesses to nowhere pass.) */
#include "board.h"
#include "hal.h"

void __real_watchdog_kick(void);
void __wrap_watchdog_kick(void);

void __wrap_watchdog_kick(void)
{
	if (hal_relay())
		__asm volatile("udf #0");
	__real_watchdog_kick();
}
