/* For a test image alone: while the relay is on the main loop hangs, and neither the watchdog nor SysTick does anything
 * about it. What is left is the timer's interrupt. */
#include "board.h"
#include "hal.h"

void __wrap_watchdog_start(void);
void __wrap_watchdog_kick(void);
void __wrap_relay_watch(void);

void __wrap_watchdog_start(void)
{
}

void __wrap_watchdog_kick(void)
{
	while (hal_relay()) {
	}
}

void __wrap_relay_watch(void)
{
}
