/* Inputs of the gate, LED and buzzer. */
#include "board.h"
#include "debounce.h"
#include "hal.h"
#include "lamp.h"
#include "message.h"
#include "registers.h"

enum {
	SETTLE = 1000, /* turns of a loop, some 100 us: the pull-ups charge their cables */
	STRAP_READS = 100,
};

static struct debounce inputs; /* owned by SysTick; stable is read by the main loop */
static volatile uint8_t walks_in, walks_out; /* since the main loop looked */
static bool potential;

/* A bit is set while what the pin names is the case. */
static uint8_t raw(void)
{
	return (uint8_t)(GPIO_DATA(PORT_B, PINS_WATCHED) ^ PINS_ACTIVE_LOW);
}

void pins_start(void)
{
	potential = true;
	GPIO_PUR(PORT_B) |= PINS_IN;
	GPIO_DEN(PORT_B) |= PINS_IN;
	GPIO_DIR(PORT_D) |= PINS_LAMP;
	GPIO_DEN(PORT_D) |= PINS_LAMP;
	for (volatile uint32_t i = 0; i < SETTLE; i++) {
	}
	for (uint32_t i = 0; i < STRAP_READS; i++)
		if (GPIO_DATA(PORT_B, PIN_POTENTIAL) != 0)
			potential = false; /* low all the time, or the short pulse: a spike must not hold a gate open */
	debounce_start(&inputs, raw());
}

void pins_sample(void)
{
	uint8_t changed = debounce_sample(&inputs, raw());
	uint8_t began = changed & inputs.stable;

	if (began & PIN_PASS_IN)
		walks_in++;
	if (began & PIN_PASS_OUT)
		walks_out++;
}

uint8_t hal_walks(uint8_t direction)
{
	volatile uint8_t *walks = direction == DIRECTION_IN ? &walks_in : &walks_out;
	uint8_t n;

	board_mask();
	n = *walks;
	*walks = 0;
	board_unmask();
	return n;
}

uint8_t hal_inputs(void)
{
	uint8_t stable = *(volatile uint8_t *)&inputs.stable;
	uint8_t bits = 0;

	if (stable & PIN_FIRE)
		bits |= INPUT_FIRE;
	if (stable & PIN_TAMPER)
		bits |= INPUT_TAMPER;
	if (stable & PIN_CONTACT)
		bits |= INPUT_CONTACT;
	return bits;
}

bool hal_potential(void)
{
	return potential;
}

uint16_t hal_capabilities(void)
{
	return CAN_IN | CAN_OUT | HAS_CONTACT | HAS_FIRE | HAS_TAMPER | HAS_LED | HAS_BUZZER | HAS_TAILGATE |
	       HAS_READER_0 | HAS_READER_1 | HAS_CARD_OUT | HAS_REPLY;
}

void hal_lamp(uint8_t bits)
{
	uint8_t pins = 0;

	if (bits & LAMP_RED)
		pins |= PIN_RED;
	if (bits & LAMP_GREEN)
		pins |= PIN_GREEN;
	if (bits & LAMP_BLUE)
		pins |= PIN_BLUE;
	if (bits & LAMP_BUZZER)
		pins |= PIN_BUZZER;
	GPIO_DATA(PORT_D, PINS_LAMP) = pins;
}
