#include "board.h"
#include "controller.h"

int main(void)
{
	pins_start();
	clock_start(); /* from here on the pins are sampled */
	wiegand_start();
	uart_start();
	watchdog_start();
	controller_start();
	for (;;) {
		controller_step();
		watchdog_kick();
		if (!wiegand_pulsing()) /* waking up takes a while, which would stretch the pulse */
			__asm volatile("wfi"); /* until the next millisecond at the latest */
	}
}
