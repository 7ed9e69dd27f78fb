/* Wiegand on pins: two readers in, one panel out. */
#include "board.h"
#include "hal.h"
#include "registers.h"
#include "rules.h"
#include "wiegand.h"

enum { WIRES = WIEGAND_D0 | WIEGAND_D1, WIRES_A_READER = 2 };

static struct wiegand_in readers[RULES_READERS]; /* owned by the interrupts of PRIORITY_PINS */
static struct wiegand_read done[RULES_READERS]; /* complete, not taken yet: the newest */
static volatile bool has_done[RULES_READERS];
static struct wiegand_out out; /* owned by the card timer while busy, else by the main loop */

void wiegand_start(void)
{
	RCGC1 |= RCGC1_TIMER1;
	(void)RCGC1;
	GPIO_PUR(PORT_D) |= PINS_CARD;
	GPIO_ODR(PORT_D) |= PINS_CARD;
	GPIO_DATA(PORT_D, PINS_CARD) = PINS_CARD;
	GPIO_DIR(PORT_D) |= PINS_CARD;
	GPIO_DATA(PORT_D, PINS_CARD) = PINS_CARD;
	GPIO_DEN(PORT_D) |= PINS_CARD;
	TIMER_CTL(TIMER1) = 0;
	TIMER_CFG(TIMER1) = 0;
	TIMER_TAMR(TIMER1) = TIMER_ONE_SHOT;
	TIMER_IMR(TIMER1) = TIMER_OVER;
	interrupt_enable(IRQ_TIMER1, PRIORITY_CARD_OUT);
	GPIO_PUR(PORT_C) |= PINS_READERS;
	GPIO_DEN(PORT_C) |= PINS_READERS;
	GPIO_IS(PORT_C) &= ~(uint32_t)PINS_READERS; /* edges, */
	GPIO_IBE(PORT_C) |= PINS_READERS; /* both */
	GPIO_ICR(PORT_C) = PINS_READERS;
	GPIO_IM(PORT_C) |= PINS_READERS;
	interrupt_enable(IRQ_PORT_C, PRIORITY_PINS);
}

void reader_interrupt(void)
{
	uint8_t changed = (uint8_t)GPIO_MIS(PORT_C);
	uint8_t low;
	uint32_t us = clock_us();

	GPIO_ICR(PORT_C) = changed;
	low = (uint8_t)~GPIO_DATA(PORT_C, PINS_READERS); /* after the clearing: an edge from here on interrupts again */
	for (uint8_t i = 0; i < RULES_READERS; i++) {
		uint8_t shift = (uint8_t)(READER_SHIFT + WIRES_A_READER * i);

		if (changed >> shift & WIRES)
			wiegand_edge(&readers[i], changed >> shift & WIRES, low >> shift & WIRES, us);
	}
}

void wiegand_watch(void)
{
	uint32_t us = clock_us();

	for (uint8_t i = 0; i < RULES_READERS; i++)
		if (wiegand_idle(&readers[i], us, &done[i]))
			has_done[i] = true;
}

bool wiegand_pulsing(void)
{
	return GPIO_DATA(PORT_D, PINS_CARD) != PINS_CARD;
}

bool hal_card_in(uint8_t reader, struct wiegand_read *read)
{
	bool has;

	board_mask();
	has = has_done[reader];
	has_done[reader] = false;
	*read = done[reader];
	board_unmask();
	return has;
}

/* Does one step of the card on its way out, and sets the timer for the next. */
static void step(void)
{
	uint8_t pull;
	uint16_t us = wiegand_step(&out, &pull);

	GPIO_DATA(PORT_D, PINS_CARD) = PINS_CARD & ~(pull == 0 ? 0 : pull == WIEGAND_D0 ? PIN_CARD_D0 : PIN_CARD_D1);
	if (us == 0)
		return;
	TIMER_CTL(TIMER1) = 0;
	TIMER_TAILR(TIMER1) = (uint32_t)us * TICKS_A_US;
	TIMER_CTL(TIMER1) = 1;
}

void card_timer_interrupt(void)
{
	TIMER_ICR(TIMER1) = TIMER_OVER;
	step();
}

bool hal_card_out(const struct card *card)
{
	bool idle;

	board_mask();
	idle = !out.busy;
	if (idle) {
		wiegand_begin(&out, card);
		step();
	}
	board_unmask();
	return idle;
}
