#include "debounce.h"

void debounce_start(struct debounce *d, uint8_t raw)
{
	*d = (struct debounce){.stable = raw};
}

uint8_t debounce_sample(struct debounce *d, uint8_t raw)
{
	uint8_t differs = raw ^ d->stable, changed = 0;

	for (uint8_t i = 0; i < DEBOUNCE_INPUTS; i++) {
		uint8_t bit = (uint8_t)(1u << i);

		if (!(differs & bit)) {
			d->count[i] = 0;
		} else if (++d->count[i] == DEBOUNCE_SAMPLES) {
			d->count[i] = 0;
			changed |= bit;
		}
	}
	d->stable ^= changed;
	return changed;
}
