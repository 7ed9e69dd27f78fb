#include "card.h"

#include <stddef.h>

bool card_fits(uint8_t count, const uint8_t *bits, uint8_t n)
{
	uint8_t spare = (uint8_t)(n * 8 - count);

	if (count < CARD_MIN_BITS || count > CARD_MAX_BITS || n != (count + 7) / 8)
		return false;
	return (bits[n - 1] & ((1u << spare) - 1)) == 0;
}

static void drop_oldest(struct card_queue *q)
{
	q->first = (uint8_t)((q->first + 1) % CARD_QUEUE);
	q->count--;
	q->fresh = true;
}

void card_queue_add(struct card_queue *q, struct card_read read)
{
	if (q->count == CARD_QUEUE)
		drop_oldest(q);
	if (q->count == 0)
		q->fresh = true;
	read.number = ++q->number;
	q->reads[(q->first + q->count) % CARD_QUEUE] = read;
	q->count++;
}

void card_queue_seen(struct card_queue *q, uint32_t number)
{
	if (q->count > 0 && q->reads[q->first].number == number)
		drop_oldest(q);
}

void card_queue_forget(struct card_queue *q, uint32_t now)
{
	while (q->count > 0 && now - q->reads[q->first].at >= CARD_KEPT)
		drop_oldest(q);
}

const struct card_read *card_queue_due(struct card_queue *q, uint32_t now)
{
	if (q->count == 0 || (!q->fresh && now - q->sent < CARD_EVERY))
		return NULL;
	q->fresh = false;
	q->sent = now;
	return &q->reads[q->first];
}
