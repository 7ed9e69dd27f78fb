/* The relay: on by order, off by three counters that know nothing of each other.
 *
 * A one-shot timer ends each pulse; SysTick counts how long the pins were on and drops them past the longest that this
 * board allows; the watchdog's first warning drops them when the main loop hangs. One crystal drives them all. */
#include "board.h"
#include "hal.h"
#include "message.h"
#include "registers.h"
#include "rules.h"

/* ms beyond the longest pulse: the timer comes first, and the two never race. */
enum { MARGIN = 20 };

static uint16_t longest; /* ms */
static uint16_t on_for; /* ms; owned by SysTick */

void relay_start(void)
{
	PBORCTL |= PBORCTL_RESET; /* a brown-out resets instead of asking */
	RCGC2 |= RCGC2_PORTS_A_TO_D;
	RCGC1 |= RCGC1_TIMER0;
	(void)RCGC1; /* the ports answer a few cycles after their clock is on */
	GPIO_DATA(PORT_D, PINS_RELAY) = 0;
	GPIO_DIR(PORT_D) |= PINS_RELAY;
	GPIO_DATA(PORT_D, PINS_RELAY) = 0;
	GPIO_DEN(PORT_D) |= PINS_RELAY;
	TIMER_CTL(TIMER0) = 0;
	TIMER_CFG(TIMER0) = 0;
	TIMER_TAMR(TIMER0) = TIMER_ONE_SHOT;
	TIMER_IMR(TIMER0) = TIMER_OVER;
	interrupt_enable(IRQ_TIMER0, PRIORITY_RELAY);
}

void relay_drop(void)
{
	GPIO_DATA(PORT_D, PINS_RELAY) = 0;
}

void hal_relay_on(uint8_t direction, uint16_t ms)
{
	longest = hal_potential() ? RULES_MAX_WINDOW : RULES_MAX_PULSE;
	if (ms > longest)
		ms = longest;
	board_mask(); /* a storm of interrupts after the timer's start could let it run out before the pin is high */
	TIMER_CTL(TIMER0) = 0;
	TIMER_ICR(TIMER0) = TIMER_OVER;
	TIMER_TAILR(TIMER0) = (uint32_t)ms * TICKS_A_MS;
	TIMER_CTL(TIMER0) = 1;
	GPIO_DATA(PORT_D, PINS_RELAY) = direction == DIRECTION_IN ? PIN_RELAY_IN : PIN_RELAY_OUT;
	board_unmask();
}

void hal_relay_off(void)
{
	relay_drop();
	TIMER_CTL(TIMER0) = 0;
}

bool hal_relay(void)
{
	return GPIO_DATA(PORT_D, PINS_RELAY) != 0;
}

void relay_timer_interrupt(void)
{
	TIMER_ICR(TIMER0) = TIMER_OVER;
	relay_drop();
}

void relay_watch(void)
{
	if (GPIO_DATA(PORT_D, PINS_RELAY) == 0) {
		on_for = 0;
	} else if (on_for++ > longest + MARGIN) {
		relay_drop();
	}
}
