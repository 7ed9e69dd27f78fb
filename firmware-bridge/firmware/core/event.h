/* What happened at the gate, kept until the host has seen it. */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	EVENT_QUEUE = 16,
	EVENT_KEPT_FOR_OPEN = 4, /* free places that OPEN needs, so that outcomes always find room */
	EVENT_KEPT_FOR_REST = 2, /* free places that other events than outcomes need */
	EVENT_EVERY = 200, /* ms between two tries */
};

struct event {
	uint32_t number;
	uint32_t grant;
	uint32_t at; /* ms */
	uint16_t flags;
	uint8_t kind;
	uint8_t direction;
};

/* The oldest is sent until the host has seen it. All zero is empty. */
struct event_queue {
	struct event events[EVENT_QUEUE];
	uint8_t first, count;
	bool fresh; /* the oldest was not sent yet in this session */
	uint32_t sent; /* ms; when it was */
	uint32_t number; /* of the last event */
	uint16_t lost; /* events that found no room; stays at 65535 */
};

uint8_t event_queue_free(const struct event_queue *q);
/* Numbers and keeps an event, or counts it as lost. */
void event_queue_add(struct event_queue *q, struct event e);
/* Forgets the oldest if it has this number. */
void event_queue_seen(struct event_queue *q, uint32_t number);
/* Returns the event to send at now; NULL if none is due. */
const struct event *event_queue_due(struct event_queue *q, uint32_t now);

#endif
