#include "rules.h"

#include "hal.h"
#include "message.h"
#include "speech.h"

void rules_start(struct rules *r, uint8_t inputs, uint32_t now)
{
	*r = (struct rules){
		.boot = hal_boot(), .can = hal_capabilities(), .potential = hal_potential(),
		.started = now, .heard = now, .next_welcome = now,
		.fire = inputs & INPUT_FIRE, .tamper = inputs & INPUT_TAMPER, .contact = inputs & INPUT_CONTACT,
		.signal = -1, .card = -1,
	};
	lamp_show(&r->lamp, PATTERN_OUT_OF_ORDER, 0, now);
}

void rules_garbled(struct rules *r)
{
	if (r->garbled < UINT16_MAX)
		r->garbled++;
}

static void event(struct rules *r, enum kind kind, struct grant about, uint32_t now)
{
	event_queue_add(&r->events, (struct event){
		.kind = (uint8_t)kind, .direction = about.direction, .grant = about.number, .at = now, .flags = rules_flags(r),
	});
}

/* Drops the relay and ends a passage under way as kind. */
static void end(struct rules *r, enum kind kind, uint32_t now)
{
	hal_relay_off();
	if (!r->passing)
		return;
	r->passing = false;
	event(r, kind, r->grant, now);
}

static uint16_t within(uint16_t v, uint16_t low, uint16_t high)
{
	return v < low ? low : v > high ? high : v;
}

static void accept(struct rules *r, uint32_t number, uint8_t direction, uint16_t pulse, uint16_t window, uint32_t now)
{
	r->last = number;
	r->grant = (struct grant){.number = number, .direction = direction};
	r->passing = true;
	r->window_end = now + window;
	hal_relay_on(direction, r->potential ? window : pulse);
}

/* Checks an OPEN in FORMAT.md's order, and opens. */
static enum code open(struct rules *r, const uint8_t *b, uint32_t now)
{
	uint32_t number = get32(b);
	uint8_t direction = b[4];

	if (!r->attended)
		return CODE_NO_HELLO;
	if (number == 0 || (direction != DIRECTION_IN && direction != DIRECTION_OUT))
		return CODE_BAD_GRANT;
	if (r->last != 0 && number == r->last)
		return CODE_OPENED_BEFORE;
	if (r->last != 0 && (int32_t)(number - r->last) < 0)
		return CODE_OLD_NUMBER;
	if (r->fire)
		return CODE_FIRE;
	if (!(r->can & (direction == DIRECTION_IN ? CAN_IN : CAN_OUT)))
		return CODE_NO_SUCH_WAY;
	if (r->passing)
		return CODE_BUSY;
	if (event_queue_free(&r->events) < EVENT_KEPT_FOR_OPEN)
		return CODE_EVENTS_FULL;
	accept(r, number, direction, within(get16(b + 5), RULES_MIN_PULSE, RULES_MAX_PULSE),
	       within(get16(b + 7), RULES_MIN_WINDOW, RULES_MAX_WINDOW), now);
	return CODE_OPENED;
}

static enum reply card_out(struct rules *r, const struct frame *f)
{
	struct card card = {.count = f->body[1]};

	if (!r->attended)
		return REPLY_NO_HELLO;
	if (!(r->can & HAS_CARD_OUT))
		return REPLY_NO_OUTPUT;
	if (f->body[0] == r->card)
		return REPLY_DONE_BEFORE;
	for (uint8_t i = 0; i < f->length - 2; i++)
		card.bits[i] = f->body[2 + i];
	if (!hal_card_out(&card))
		return REPLY_BUSY;
	r->card = f->body[0];
	return REPLY_DONE;
}

static void hello(struct rules *r, const uint8_t *b, uint32_t now)
{
	if (!r->attended)
		lamp_show(&r->lamp, PATTERN_IDLE, 0, now);
	r->greeted = true;
	r->attended = true;
	r->signal = -1;
	r->card = -1;
	r->takes_cards = false;
	r->events.fresh = true;
	r->cards.fresh = true;
	say_welcome(r, get32(b));
}

static void signal(struct rules *r, const uint8_t *b, uint32_t now)
{
	if (r->signal == b[0])
		return;
	r->signal = b[0];
	lamp_show(&r->lamp, b[1], get16(b + 2) * 100u, now);
}

/* What is heard with or without a session. */
static void take_always(struct rules *r, const struct frame *f, uint32_t now)
{
	switch (f->type) {
	case TYPE_HELLO:
		hello(r, f->body, now);
		break;
	case TYPE_OPEN:
		say_answer(r, get32(f->body), open(r, f->body, now));
		break;
	case TYPE_SEEN:
		event_queue_seen(&r->events, get32(f->body));
		break;
	case TYPE_CARD_OUT:
		say_reply(r, f, card_out(r, f));
		break;
	case TYPE_CARD_SEEN:
		r->takes_cards = true;
		card_queue_seen(&r->cards, get32(f->body));
		break;
	case TYPE_UPDATE:
		/* A power cut in the middle of the one bank there is would leave a gate without firmware. */
		say_reply(r, f, r->attended ? REPLY_NO_SECOND_BANK : REPLY_NO_HELLO);
		break;
	}
}

static void take_attended(struct rules *r, const struct frame *f, uint32_t now)
{
	switch (f->type) {
	case TYPE_BEAT:
		say_state(r, now);
		break;
	case TYPE_SIGNAL:
		signal(r, f->body, now);
		break;
	case TYPE_LOCK:
		end(r, KIND_NOT_PASSED, now);
		break;
	}
}

void rules_take(struct rules *r, const struct frame *f, uint32_t now)
{
	if (!message_fits(f)) {
		rules_garbled(r);
		return;
	}
	r->heard = now;
	take_always(r, f, now);
	if (r->attended)
		take_attended(r, f, now);
}

void rules_walk(struct rules *r, uint8_t direction, uint32_t now)
{
	bool follows = r->tail && now - r->passed_at < RULES_TAILGATE && r->passed.direction == direction;

	if (r->passing && r->grant.direction == direction) {
		r->tail = true;
		r->passed_at = now;
		r->passed = r->grant;
		end(r, KIND_PASSED, now);
	} else if (r->fire) {
		return; /* everybody may leave */
	} else if (follows && r->can & HAS_TAILGATE) {
		r->tail = false;
		event(r, KIND_TAILGATED, r->passed, now);
	} else {
		event(r, KIND_FORCED, (struct grant){.direction = direction}, now);
	}
}

static void set_fire(struct rules *r, bool on, uint32_t now)
{
	if (on == r->fire)
		return;
	if (on)
		end(r, KIND_NOT_PASSED, now);
	r->fire = on;
	event(r, on ? KIND_FIRE : KIND_FIRE_OVER, (struct grant){0}, now);
}

static void set_tamper(struct rules *r, bool on, uint32_t now)
{
	if (on == r->tamper)
		return;
	r->tamper = on;
	event(r, on ? KIND_TAMPER : KIND_TAMPER_OVER, (struct grant){0}, now);
}

void rules_inputs(struct rules *r, uint8_t inputs, uint32_t now)
{
	r->contact = inputs & INPUT_CONTACT;
	set_fire(r, inputs & INPUT_FIRE, now);
	set_tamper(r, inputs & INPUT_TAMPER, now);
}

void rules_card(struct rules *r, uint8_t reader, const struct wiegand_read *read, uint32_t at)
{
	r->faults[reader] = read->faults;
	if (read->card.count == 0)
		return;
	r->faults_told[reader] = read->faults;
	card_queue_add(&r->cards, (struct card_read){
		.card = read->card, .reader = reader, .faults = read->faults, .at = at,
	});
}

/* Reports faults of readers that no card has told of, without pushing a card out. */
static void report_faults(struct rules *r, uint32_t now)
{
	for (uint8_t i = 0; i < RULES_READERS; i++) {
		if (now - r->faults_at[i] >= RULES_NOISE_EVERY)
			r->faults_rest[i] = false;
		if (r->faults[i] == r->faults_told[i] || r->cards.count > 0 || r->faults_rest[i])
			continue;
		r->faults_told[i] = r->faults[i];
		r->faults_rest[i] = true;
		r->faults_at[i] = now;
		card_queue_add(&r->cards, (struct card_read){.reader = i, .faults = r->faults[i], .at = now});
	}
}

/* Reports a lock that does not follow. */
static void check_lock(struct rules *r, uint32_t now)
{
	if (!(r->can & HAS_CONTACT))
		return;
	if (r->contact == (r->passing || r->fire)) {
		r->disagrees = false;
		r->faulted = false;
	} else if (!r->disagrees) {
		r->disagrees = true;
		r->disagrees_since = now;
	} else if (!r->faulted && now - r->disagrees_since >= RULES_FAULT_AFTER) {
		r->faulted = true;
		event(r, KIND_FAULT, (struct grant){0}, now);
	}
}

void rules_tick(struct rules *r, uint32_t now)
{
	if (r->attended && now - r->heard > RULES_SILENCE) {
		end(r, KIND_NOT_PASSED, now);
		r->attended = false;
		lamp_show(&r->lamp, PATTERN_OUT_OF_ORDER, 0, now);
	}
	if (r->passing && (int32_t)(now - r->window_end) >= 0)
		end(r, KIND_NOT_PASSED, now);
	if (r->tail && now - r->passed_at >= RULES_TAILGATE)
		r->tail = false; /* or it would come back when the clock wraps */
	card_queue_forget(&r->cards, now);
	if (r->attended && r->takes_cards)
		report_faults(r, now);
	lamp_tick(&r->lamp, now);
	check_lock(r, now);
	say_due(r, now);
}
