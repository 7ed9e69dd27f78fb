/* Frames of the lane controller's protocol: stuffing, checksum, and a stream of bytes cut into frames.
 *
 * firmware-bridge/frame/FORMAT.md is the specification. Nothing here does I/O. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
	FRAME_VERSION = 1,
	FRAME_HEADER = 3, /* version, type, sequence number */
	FRAME_TRAILER = 2, /* CRC */
	FRAME_MAX_BODY = 48,
	FRAME_MAX_RAW = FRAME_HEADER + FRAME_MAX_BODY + FRAME_TRAILER,
	FRAME_MAX_HELD = FRAME_MAX_RAW + 1, /* stuffed, without the zeros around it */
	FRAME_MAX_WIRE = FRAME_MAX_HELD + 2,
};

/* One frame whose shape, checksum and version are good. */
struct frame {
	uint8_t type;
	uint8_t seq;
	uint8_t length; /* of body */
	const uint8_t *body; /* part of the decoder; valid until its next byte */
};

/* All zero is ready to use. Holds at most one frame. */
struct decoder {
	uint8_t held[FRAME_MAX_HELD];
	uint8_t n;
	bool over; /* the frame under way is too long: skip to the next zero */
};

enum decoded {
	DECODED_NOTHING, /* the frame goes on, or the line is idle */
	DECODED_FRAME,
	DECODED_BAD, /* a frame ended that is none: count it */
};

uint16_t frame_crc(const uint8_t *b, uint8_t n);

/* Writes the wire form, zeros included, and returns its length. length is at most FRAME_MAX_BODY. */
uint8_t frame_encode(uint8_t wire[FRAME_MAX_WIRE], uint8_t type, uint8_t seq, const uint8_t *body, uint8_t length);

/* Takes the next byte of the line; fills f in when it completes a frame. */
enum decoded decoder_feed(struct decoder *d, uint8_t c, struct frame *f);

#endif
