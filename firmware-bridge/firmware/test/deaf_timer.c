/* For a test image alone: the timer that ends a pulse interrupts, and nothing is done about it. */
#include "board.h"
#include "registers.h"

void __wrap_relay_timer_interrupt(void);

void __wrap_relay_timer_interrupt(void)
{
	TIMER_ICR(TIMER0) = TIMER_OVER;
}
