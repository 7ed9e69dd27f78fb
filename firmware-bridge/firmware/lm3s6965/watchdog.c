/* The watchdog: a main loop that does not come round drops the relay after WARNING, and restarts after twice that. */
#include "board.h"
#include "registers.h"

enum { WARNING = 500 /* ms */ };

void interrupt_enable(uint8_t irq, uint8_t priority)
{
	NVIC_PRIORITY(irq) = priority;
	NVIC_ENABLE = 1u << irq;
}

void watchdog_start(void)
{
	RCGC0 |= RCGC0_WATCHDOG;
	(void)RCGC0;
	WATCHDOG_LOAD = WARNING * TICKS_A_MS;
	WATCHDOG_CTL = WATCHDOG_INTERRUPT_AND_RESET; /* only a reset undoes this */
	WATCHDOG_LOCK = 0;
	interrupt_enable(IRQ_WATCHDOG, PRIORITY_RELAY);
}

void watchdog_kick(void)
{
	WATCHDOG_LOCK = WATCHDOG_KEY;
	WATCHDOG_ICR = 1; /* starts the count anew */
	WATCHDOG_LOCK = 0;
	NVIC_ENABLE = 1u << IRQ_WATCHDOG;
}

void watchdog_interrupt(void)
{
	relay_drop();
	/* The request stays, so that the next round resets; it must not interrupt for ever meanwhile. */
	NVIC_DISABLE = 1u << IRQ_WATCHDOG;
}

/* Until the watchdog resets. Without a call, so without the stack: that may be what has failed. */
void fault_interrupt(void)
{
	for (;;)
		GPIO_DATA(PORT_D, PINS_RELAY) = 0;
}
