/* The numbers of FORMAT.md, and its integers: low byte first. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

enum type {
	TYPE_HELLO = 0x01,
	TYPE_BEAT = 0x02,
	TYPE_OPEN = 0x03,
	TYPE_SIGNAL = 0x04,
	TYPE_LOCK = 0x05,
	TYPE_SEEN = 0x06,
	TYPE_CARD_OUT = 0x07,
	TYPE_CARD_SEEN = 0x08,
	TYPE_UPDATE = 0x09,

	TYPE_WELCOME = 0x81,
	TYPE_STATE = 0x82,
	TYPE_ANSWER = 0x83,
	TYPE_EVENT = 0x84,
	TYPE_CARD_IN = 0x85,
	TYPE_REPLY = 0x86,
};

enum flag {
	FLAG_RELAY = 1 << 0,
	FLAG_CONTACT = 1 << 1,
	FLAG_FIRE = 1 << 2,
	FLAG_TAMPER = 1 << 3,
	FLAG_PASSING = 1 << 4,
	FLAG_ATTENDED = 1 << 5,
};

enum capability {
	CAN_IN = 1 << 0,
	CAN_OUT = 1 << 1,
	HAS_CONTACT = 1 << 2,
	HAS_FIRE = 1 << 3,
	HAS_TAMPER = 1 << 4,
	HAS_LED = 1 << 5,
	HAS_BUZZER = 1 << 6,
	HAS_TAILGATE = 1 << 7,
	HAS_READER_0 = 1 << 8,
	HAS_READER_1 = 1 << 9,
	HAS_CARD_OUT = 1 << 10,
	HAS_REPLY = 1 << 11,
};

/* What ANSWER says of an OPEN. */
enum code {
	CODE_OPENED = 0,
	CODE_OPENED_BEFORE = 1,
	CODE_OLD_NUMBER = 2,
	CODE_BUSY = 3,
	CODE_BAD_GRANT = 4,
	CODE_FIRE = 5,
	CODE_NO_HELLO = 6,
	CODE_NO_SUCH_WAY = 7,
	CODE_EVENTS_FULL = 8,
};

/* What REPLY says of a CARD OUT or an UPDATE. */
enum reply {
	REPLY_DONE = 0,
	REPLY_DONE_BEFORE = 1,
	REPLY_BUSY = 2,
	REPLY_NO_HELLO = 3,
	REPLY_NO_OUTPUT = 4,
	REPLY_NO_SECOND_BANK = 5,
};

enum kind {
	KIND_PASSED = 1,
	KIND_NOT_PASSED = 2,
	KIND_FORCED = 3,
	KIND_TAILGATED = 4,
	KIND_FIRE = 5,
	KIND_FIRE_OVER = 6,
	KIND_TAMPER = 7,
	KIND_TAMPER_OVER = 8,
	KIND_FAULT = 11,
};

enum direction {
	DIRECTION_IN = 1,
	DIRECTION_OUT = 2,
};

static inline uint16_t get16(const uint8_t *b)
{
	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t get32(const uint8_t *b)
{
	return get16(b) | (uint32_t)get16(b + 2) << 16;
}

/* The put functions return the place behind what they wrote. */
static inline uint8_t *put8(uint8_t *b, uint8_t v)
{
	*b = v;
	return b + 1;
}

static inline uint8_t *put16(uint8_t *b, uint16_t v)
{
	return put8(put8(b, (uint8_t)v), (uint8_t)(v >> 8));
}

static inline uint8_t *put32(uint8_t *b, uint32_t v)
{
	return put16(put16(b, (uint16_t)v), (uint16_t)(v >> 16));
}

/* Tells a host's message that this version knows, and whose body fits its type. */
bool message_fits(const struct frame *f);

#endif
