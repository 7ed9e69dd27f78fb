#include "frame.h"

/* CRC-16/CCITT-FALSE, bit by bit: a frame has 53 bytes at most, a table would cost 512. */
uint16_t frame_crc(const uint8_t *b, uint8_t n)
{
	uint16_t sum = 0xFFFF;

	while (n-- > 0) {
		sum ^= (uint16_t)(*b++ << 8);
		for (uint8_t bit = 0; bit < 8; bit++)
			sum = (uint16_t)(sum & 0x8000 ? sum << 1 ^ 0x1021 : sum << 1);
	}
	return sum;
}

/* Writes raw without zeros: each run of other bytes is preceded by its length plus one. */
static uint8_t stuff(uint8_t *wire, const uint8_t *raw, uint8_t n)
{
	uint8_t mark = 0, out = 1;

	wire[0] = 1;
	for (uint8_t i = 0; i < n; i++) {
		if (raw[i] == 0) {
			mark = out;
			wire[out++] = 1;
			continue;
		}
		wire[out++] = raw[i];
		wire[mark]++;
	}
	return out;
}

/* Undoes stuff in place and returns the new length; 0 for what stuff never makes. */
static uint8_t unstuff(uint8_t *b, uint8_t n)
{
	uint8_t out = 0;

	for (uint8_t i = 0; i < n;) {
		uint8_t run = b[i];

		if (run == 0 || run > n - i)
			return 0;
		if (i > 0)
			b[out++] = 0;
		for (uint8_t k = 1; k < run; k++)
			b[out++] = b[i + k];
		i = (uint8_t)(i + run);
	}
	return out;
}

uint8_t frame_encode(uint8_t wire[FRAME_MAX_WIRE], uint8_t type, uint8_t seq, const uint8_t *body, uint8_t length)
{
	uint8_t raw[FRAME_MAX_RAW] = {FRAME_VERSION, type, seq};
	uint8_t n = FRAME_HEADER;
	uint16_t sum;

	for (uint8_t i = 0; i < length; i++)
		raw[n++] = body[i];
	sum = frame_crc(raw, n);
	raw[n++] = (uint8_t)sum;
	raw[n++] = (uint8_t)(sum >> 8);
	wire[0] = 0;
	n = stuff(wire + 1, raw, n);
	wire[n + 1] = 0;
	return (uint8_t)(n + 2);
}

/* Reads what stood between two zeros. */
static bool parse(uint8_t *held, uint8_t n, struct frame *f)
{
	uint16_t sum;

	n = unstuff(held, n);
	if (n < FRAME_HEADER + FRAME_TRAILER)
		return false;
	n -= FRAME_TRAILER;
	sum = (uint16_t)(held[n] | held[n + 1] << 8);
	if (frame_crc(held, n) != sum || held[0] != FRAME_VERSION)
		return false;
	f->type = held[1];
	f->seq = held[2];
	f->body = held + FRAME_HEADER;
	f->length = (uint8_t)(n - FRAME_HEADER);
	return true;
}

enum decoded decoder_feed(struct decoder *d, uint8_t c, struct frame *f)
{
	bool good;

	if (c != 0) {
		if (d->n == sizeof d->held)
			d->over = true;
		else
			d->held[d->n++] = c;
		return DECODED_NOTHING;
	}
	if (d->n == 0)
		return DECODED_NOTHING; /* zeros between frames are idle line */
	good = !d->over && parse(d->held, d->n, f);
	d->n = 0;
	d->over = false;
	return good ? DECODED_FRAME : DECODED_BAD;
}
