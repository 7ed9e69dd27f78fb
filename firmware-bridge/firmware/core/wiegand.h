/* Wiegand: pulses on two wires, D0 for a zero and D1 for a one, into cards and back.
 *
 * Called from the interrupts of the pins and of a timer: short, no loops over more than a card. */
#ifndef WIEGAND_H
#define WIEGAND_H

#include <stdbool.h>
#include <stdint.h>

#include "card.h"

enum {
	WIEGAND_D0 = 1 << 0,
	WIEGAND_D1 = 1 << 1,

	/* us; readers on sale send 20..100, some 160 */
	WIEGAND_MIN_PULSE = 10,
	WIEGAND_MAX_PULSE = 250,
	WIEGAND_SILENCE = 30000, /* us without an edge end a card; the standard says 25..50 ms */

	/* us; what access panels expect */
	WIEGAND_PULSE = 50,
	WIEGAND_GAP = 1450, /* from the end of one pulse to the next */
	WIEGAND_REST = 60000, /* after a card, so that the panel sees its end */
};

/* What came from a reader: a card, or only the news that the count of faults has risen. */
struct wiegand_read {
	struct card card; /* count 0 if there is none */
	uint16_t faults; /* pulses and rows out of specification since power-up; stays at 65535 */
};

/* One reader. All zero is ready: both wires idle. */
struct wiegand_in {
	struct card card; /* so far */
	uint8_t low; /* wires that are low */
	bool begun; /* an edge came since the last card */
	bool spoilt; /* the row under way is none */
	bool stuck; /* a wire is low for longer than any pulse */
	uint16_t faults, told; /* told: as of the last read */
	uint32_t fell; /* us */
	uint32_t last; /* us of the last edge */
};

/* Takes an edge: the wires whose level changed, and those that are low after it. */
void wiegand_edge(struct wiegand_in *w, uint8_t changed, uint8_t low, uint32_t us);

/* To be called every millisecond or so; true, and read filled in, when silence has ended a card or a row that raised the
 * count of faults. */
bool wiegand_idle(struct wiegand_in *w, uint32_t us, struct wiegand_read *read);

/* A card on its way out. All zero is idle. */
struct wiegand_out {
	struct card card;
	uint8_t next; /* bit to send */
	bool low; /* its pulse is under way */
	bool busy;
};

/* Begins a card; wiegand_step is due at once. */
void wiegand_begin(struct wiegand_out *w, const struct card *card);

/* Does the next step: sets the wires to pull low, and returns after how many us it is to be called again; 0 when the
 * card and the rest after it are over. */
uint16_t wiegand_step(struct wiegand_out *w, uint8_t *pull);

#endif
