/* What FORMAT.md demands of a controller, apart from the line and the wires: messages, people and time in; messages,
 * relay and lamp out. */
#ifndef RULES_H
#define RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "card.h"
#include "event.h"
#include "frame.h"
#include "lamp.h"
#include "wiegand.h"

enum {
	RULES_SILENCE = 2000, /* ms; all below too */
	RULES_WELCOME_EVERY = 500,
	RULES_TAILGATE = 1500,
	RULES_FAULT_AFTER = 500, /* of contact and passage disagreeing */
	RULES_MIN_PULSE = 50,
	RULES_MAX_PULSE = 1000,
	RULES_MIN_WINDOW = 1000,
	RULES_MAX_WINDOW = 15000,
	RULES_NOISE_EVERY = 1000, /* between two reports of faults without a card */

	RULES_READERS = 2,
};

/* The OPEN that a passage came from. */
struct grant {
	uint32_t number;
	uint8_t direction;
};

struct rules {
	uint32_t boot, started;
	uint16_t can; /* CAN_ and HAS_ bits */
	bool potential; /* the relay stays on for the whole passage */

	uint32_t heard; /* last good frame of the host */
	bool greeted; /* a HELLO came since power-up */
	bool attended;
	uint32_t next_welcome;
	uint8_t seq;

	uint32_t last; /* last number accepted, 0 if none */
	struct grant grant; /* under way while passing */
	bool passing;
	uint32_t window_end;
	struct grant passed; /* whose person somebody may be following */
	bool tail; /* passed is still to be watched */
	uint32_t passed_at;

	bool fire, tamper, contact;
	bool disagrees; /* the contact, with what it should be */
	bool faulted; /* and that was reported */
	uint32_t disagrees_since;

	int16_t signal; /* number of the last SIGNAL, -1 after HELLO */
	int16_t card; /* number of the last CARD OUT, -1 after HELLO */
	bool takes_cards; /* the host has shown so since HELLO */
	struct lamp lamp;
	struct event_queue events;
	struct card_queue cards;
	uint16_t faults[RULES_READERS], faults_told[RULES_READERS];
	bool faults_rest[RULES_READERS]; /* they were told without a card a moment ago, */
	uint32_t faults_at[RULES_READERS]; /* then */
	uint16_t flags; /* as last sent */
	uint16_t garbled; /* frames dropped; stays at 65535 */
};

/* Starts at now with the inputs as they are: INPUT_ bits. */
void rules_start(struct rules *r, uint8_t inputs, uint32_t now);

/* Acts on a good frame of the host; counts one whose body does not fit. */
void rules_take(struct rules *r, const struct frame *f, uint32_t now);

/* Counts a frame that is none. */
void rules_garbled(struct rules *r);

/* One person has walked in that direction. */
void rules_walk(struct rules *r, uint8_t direction, uint32_t now);

/* The inputs are as given: INPUT_ bits. */
void rules_inputs(struct rules *r, uint8_t inputs, uint32_t now);

/* A reader sent a card at the time at, or only its count of faults has risen. */
void rules_card(struct rules *r, uint8_t reader, const struct wiegand_read *read, uint32_t at);

/* Does what time demands, and says what is due. */
void rules_tick(struct rules *r, uint32_t now);

#endif
