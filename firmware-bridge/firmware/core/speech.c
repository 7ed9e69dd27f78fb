#include "speech.h"

#include <stddef.h>

#include "hal.h"
#include "version.h"

/* Sends the body that ends at end. */
static void say(struct rules *r, enum type type, const uint8_t *body, const uint8_t *end)
{
	uint8_t wire[FRAME_MAX_WIRE];
	uint8_t n = frame_encode(wire, (uint8_t)type, ++r->seq, body, (uint8_t)(end - body));

	hal_send(wire, n);
}

uint16_t rules_flags(const struct rules *r)
{
	uint16_t f = 0;

	if (hal_relay())
		f |= FLAG_RELAY;
	if (r->contact)
		f |= FLAG_CONTACT;
	if (r->fire)
		f |= FLAG_FIRE;
	if (r->tamper)
		f |= FLAG_TAMPER;
	if (r->passing)
		f |= FLAG_PASSING;
	if (r->attended)
		f |= FLAG_ATTENDED;
	return f;
}

void say_welcome(struct rules *r, uint32_t session)
{
	static const char model[] = VERSION_MODEL;
	uint8_t body[FRAME_MAX_BODY], *b = body;

	b = put32(b, session);
	b = put32(b, r->boot);
	b = put32(b, r->last);
	b = put16(b, r->can);
	b = put8(b, VERSION_MAJOR);
	b = put8(b, VERSION_MINOR);
	b = put8(b, VERSION_PATCH);
	b = put16(b, r->potential ? RULES_MAX_WINDOW : RULES_MAX_PULSE);
	b = put16(b, RULES_MAX_WINDOW);
	for (size_t i = 0; i < sizeof model - 1; i++)
		b = put8(b, (uint8_t)model[i]);
	say(r, TYPE_WELCOME, body, b);
}

void say_state(struct rules *r, uint32_t now)
{
	uint8_t body[FRAME_MAX_BODY], *b = body;

	b = put16(b, rules_flags(r));
	b = put32(b, r->passing ? r->grant.number : 0);
	b = put32(b, r->last);
	b = put8(b, r->events.count);
	b = put16(b, r->events.lost);
	b = put16(b, r->garbled);
	b = put32(b, now - r->started);
	say(r, TYPE_STATE, body, b);
}

void say_answer(struct rules *r, uint32_t number, enum code code)
{
	uint8_t body[FRAME_MAX_BODY];

	say(r, TYPE_ANSWER, body, put8(put32(body, number), (uint8_t)code));
}

void say_reply(struct rules *r, const struct frame *asked, enum reply code)
{
	uint8_t body[FRAME_MAX_BODY];

	say(r, TYPE_REPLY, body, put8(put8(put8(body, asked->type), asked->body[0]), (uint8_t)code));
}

static void say_event(struct rules *r, const struct event *e, uint32_t now)
{
	uint8_t body[FRAME_MAX_BODY], *b = body;

	b = put32(b, e->number);
	b = put8(b, e->kind);
	b = put8(b, e->direction);
	b = put32(b, e->grant);
	b = put32(b, now - e->at);
	b = put16(b, e->flags);
	say(r, TYPE_EVENT, body, b);
}

static void say_card(struct rules *r, const struct card_read *c, uint32_t now)
{
	uint8_t body[FRAME_MAX_BODY], *b = body;

	b = put32(b, c->number);
	b = put8(b, c->reader);
	b = put16(b, c->faults);
	b = put16(b, (uint16_t)(now - c->at)); /* below CARD_KEPT */
	b = put8(b, c->card.count);
	for (uint8_t i = 0; i < (c->card.count + 7) / 8; i++)
		b = put8(b, c->card.bits[i]);
	say(r, TYPE_CARD_IN, body, b);
}

void say_due(struct rules *r, uint32_t now)
{
	const struct event *e;
	const struct card_read *c;

	if (!r->attended) {
		if (!r->greeted && (int32_t)(now - r->next_welcome) >= 0) {
			say_welcome(r, 0);
			r->next_welcome = now + RULES_WELCOME_EVERY;
		}
		return;
	}
	if (rules_flags(r) != r->flags) {
		r->flags = rules_flags(r);
		say_state(r, now);
	}
	e = event_queue_due(&r->events, now);
	if (e != NULL)
		say_event(r, e, now);
	c = r->takes_cards ? card_queue_due(&r->cards, now) : NULL;
	if (c != NULL)
		say_card(r, c, now);
}
