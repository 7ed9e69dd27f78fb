#include "controller.h"

#include "hal.h"
#include "message.h"
#include "rules.h"

/* A turn takes this many bytes at most, so that a flood cannot keep time and people waiting. */
enum { BYTES_A_TURN = 64 };

static struct decoder decoder;
static struct rules rules;

void controller_start(void)
{
	uint32_t now = hal_now();

	decoder = (struct decoder){0};
	rules_start(&rules, hal_inputs(), now);
	hal_lamp(lamp_bits(&rules.lamp, now));
}

static void receive(uint32_t now)
{
	struct frame f;

	for (uint8_t i = 0; i < BYTES_A_TURN; i++) {
		int c = hal_receive();

		if (c < 0)
			return;
		switch (decoder_feed(&decoder, (uint8_t)c, &f)) {
		case DECODED_FRAME:
			rules_take(&rules, &f, now);
			break;
		case DECODED_BAD:
			rules_garbled(&rules);
			break;
		case DECODED_NOTHING:
			break;
		}
	}
}

static void watch_gate(uint32_t now)
{
	rules_inputs(&rules, hal_inputs(), now);
	for (uint8_t d = DIRECTION_IN; d <= DIRECTION_OUT; d++)
		for (uint8_t walks = hal_walks(d); walks > 0; walks--)
			rules_walk(&rules, d, now);
}

static void watch_readers(uint32_t now)
{
	struct wiegand_read read;

	for (uint8_t reader = 0; reader < RULES_READERS; reader++)
		if (hal_card_in(reader, &read))
			rules_card(&rules, reader, &read, now - WIEGAND_SILENCE / 1000);
}

void controller_step(void)
{
	uint32_t now = hal_now();

	receive(now);
	watch_gate(now);
	watch_readers(now);
	rules_tick(&rules, now);
	hal_lamp(lamp_bits(&rules.lamp, now));
}
