/* Card numbers: rows of bits as Wiegand readers send them, and the reads that wait for the host. */
#ifndef CARD_H
#define CARD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CARD_MIN_BITS = 26,
	CARD_MAX_BITS = 66,
	CARD_MAX_BYTES = (CARD_MAX_BITS + 7) / 8,
	CARD_QUEUE = 4,
	CARD_KEPT = 3000, /* ms: whoever held the card does not wait longer at the gate */
	CARD_EVERY = 200, /* ms between two tries */
};

/* A row of bits, the first on the wire in the highest bit of the first byte; the rest of the last byte is 0. */
struct card {
	uint8_t count; /* bits; 0 for a report of faults alone */
	uint8_t bits[CARD_MAX_BYTES];
};

/* One read on the way to the host. */
struct card_read {
	struct card card;
	uint32_t number;
	uint32_t at; /* ms */
	uint16_t faults; /* of that reader until then */
	uint8_t reader;
};

/* The oldest is sent until the host has seen it. All zero is empty. */
struct card_queue {
	struct card_read reads[CARD_QUEUE];
	uint8_t first, count;
	bool fresh; /* the oldest was not sent yet in this session */
	uint32_t sent; /* ms; when it was */
	uint32_t number; /* of the last read */
};

/* Tells whether n bytes hold exactly count bits, within the limits. */
bool card_fits(uint8_t count, const uint8_t *bits, uint8_t n);

/* Keeps a read; the oldest makes room, because the newest is of the person at the gate now. */
void card_queue_add(struct card_queue *q, struct card_read read);
/* Forgets the oldest if it has this number. */
void card_queue_seen(struct card_queue *q, uint32_t number);
/* Forgets what is too old. */
void card_queue_forget(struct card_queue *q, uint32_t now);
/* Returns the read to send at now; NULL if none is due. */
const struct card_read *card_queue_due(struct card_queue *q, uint32_t now);

#endif
