/* The patterns of SIGNAL, as light and sound over time. */
#ifndef LAMP_H
#define LAMP_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LAMP_RED = 1 << 0,
	LAMP_GREEN = 1 << 1,
	LAMP_BLUE = 1 << 2,
	LAMP_BUZZER = 1 << 3,
};

enum {
	PATTERN_IDLE = 0,
	PATTERN_OUT_OF_ORDER = 7,
	PATTERNS = 8,
};

struct lamp {
	uint8_t pattern;
	uint32_t since; /* ms */
	bool sounding; /* the tones are not over */
	bool ends; /* after which comes PATTERN_IDLE */
	uint32_t end; /* ms */
};

/* Shows pattern from now on, for duration ms; 0 until the next. A pattern that is not known is PATTERN_IDLE. */
void lamp_show(struct lamp *l, uint8_t pattern, uint32_t duration, uint32_t now);
/* Does what time demands. */
void lamp_tick(struct lamp *l, uint32_t now);
/* The LAMP_ bits that are on at now. */
uint8_t lamp_bits(const struct lamp *l, uint32_t now);

#endif
