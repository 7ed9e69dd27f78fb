#include "wiegand.h"

static void fault(struct wiegand_in *w)
{
	if (w->faults < UINT16_MAX)
		w->faults++;
}

static void spoil(struct wiegand_in *w)
{
	fault(w);
	w->spoilt = true;
}

static void add_bit(struct wiegand_in *w, bool one)
{
	struct card *c = &w->card;

	if (c->count == CARD_MAX_BITS) {
		if (!w->spoilt)
			spoil(w); /* once, however long it is */
		return;
	}
	if (one)
		c->bits[c->count / 8] |= (uint8_t)(0x80u >> c->count % 8);
	c->count++;
}

/* A pulse on one wire is over. */
static void rise(struct wiegand_in *w, uint8_t wire, uint32_t us)
{
	uint32_t width = us - w->fell;

	if (w->stuck) {
		w->stuck = false;
		w->spoilt = true; /* counted when it was noticed */
	} else if (width > WIEGAND_MAX_PULSE) {
		spoil(w);
	} else if (width < WIEGAND_MIN_PULSE) {
		fault(w); /* a spike, no bit */
	} else {
		add_bit(w, wire == WIEGAND_D1);
	}
}

void wiegand_edge(struct wiegand_in *w, uint8_t changed, uint8_t low, uint32_t us)
{
	uint8_t before = w->low;

	w->begun = true;
	w->last = us;
	w->low = low;
	if (changed & ~(before ^ low))
		fault(w); /* there and back before anybody looked: shorter than any pulse */
	if (low == (WIEGAND_D0 | WIEGAND_D1) || (before && low && before != low)) {
		spoil(w);
		return;
	}
	if (low && !before)
		w->fell = us;
	if (before == (WIEGAND_D0 | WIEGAND_D1) && !low) {
		w->stuck = false; /* of this row, which is spoilt, and not of the next card's */
		w->spoilt = true;
	} else if (before && !low) {
		rise(w, before, us);
	}
}

/* Forgets the row under way; the wires stay as they are. */
static void clear(struct wiegand_in *w)
{
	w->card = (struct card){0};
	w->begun = false;
	w->spoilt = false;
}

bool wiegand_idle(struct wiegand_in *w, uint32_t us, struct wiegand_read *read)
{
	bool news;

	if (w->low && !w->stuck && us - w->fell > WIEGAND_MAX_PULSE) {
		w->stuck = true; /* noticed now: it may never rise, or after the clock has wrapped */
		spoil(w);
	}
	if (!w->begun || us - w->last < WIEGAND_SILENCE)
		return false;
	if (w->card.count > 0 && w->card.count < CARD_MIN_BITS && !w->spoilt)
		spoil(w);
	if (w->spoilt)
		w->card = (struct card){0};
	news = w->card.count > 0 || w->faults != w->told;
	if (news)
		*read = (struct wiegand_read){.card = w->card, .faults = w->faults};
	w->told = w->faults;
	clear(w);
	return news;
}

void wiegand_begin(struct wiegand_out *w, const struct card *card)
{
	*w = (struct wiegand_out){.card = *card, .busy = true};
}

uint16_t wiegand_step(struct wiegand_out *w, uint8_t *pull)
{
	*pull = 0;
	if (w->low) {
		w->low = false;
		w->next++;
		return w->next < w->card.count ? WIEGAND_GAP : WIEGAND_REST;
	}
	if (w->next == w->card.count) {
		w->busy = false;
		return 0;
	}
	w->low = true;
	*pull = w->card.bits[w->next / 8] & 0x80u >> w->next % 8 ? WIEGAND_D1 : WIEGAND_D0;
	return WIEGAND_PULSE;
}
