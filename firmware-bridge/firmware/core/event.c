#include "event.h"

#include <stddef.h>

#include "message.h"

uint8_t event_queue_free(const struct event_queue *q)
{
	return (uint8_t)(EVENT_QUEUE - q->count);
}

void event_queue_add(struct event_queue *q, struct event e)
{
	bool outcome = e.kind == KIND_PASSED || e.kind == KIND_NOT_PASSED;

	if (event_queue_free(q) < (outcome ? 1 : EVENT_KEPT_FOR_REST)) {
		if (q->lost < UINT16_MAX)
			q->lost++;
		return;
	}
	if (q->count == 0)
		q->fresh = true;
	e.number = ++q->number;
	q->events[(q->first + q->count) % EVENT_QUEUE] = e;
	q->count++;
}

void event_queue_seen(struct event_queue *q, uint32_t number)
{
	if (q->count == 0 || q->events[q->first].number != number)
		return;
	q->first = (uint8_t)((q->first + 1) % EVENT_QUEUE);
	q->count--;
	q->fresh = true;
}

const struct event *event_queue_due(struct event_queue *q, uint32_t now)
{
	if (q->count == 0 || (!q->fresh && now - q->sent < EVENT_EVERY))
		return NULL;
	q->fresh = false;
	q->sent = now;
	return &q->events[q->first];
}
