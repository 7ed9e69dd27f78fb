/* Contacts bounce: a level counts once it has stood for 20 ms. */
#ifndef DEBOUNCE_H
#define DEBOUNCE_H

#include <stdint.h>

enum {
	DEBOUNCE_SAMPLES = 20, /* taken one a millisecond */
	DEBOUNCE_INPUTS = 8,
};

struct debounce {
	uint8_t stable; /* one bit for each input */
	uint8_t count[DEBOUNCE_INPUTS]; /* samples in a row that differ from stable */
};

/* Takes the level that an input has at power-up for stable. */
void debounce_start(struct debounce *d, uint8_t raw);
/* Takes the sample of one millisecond; returns the inputs whose stable level changed. */
uint8_t debounce_sample(struct debounce *d, uint8_t raw);

#endif
