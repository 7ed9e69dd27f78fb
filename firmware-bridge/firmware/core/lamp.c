#include "lamp.h"

/* FORMAT.md's table. A tone is followed by a rest as long as itself. */
static const struct {
	uint8_t first, second; /* colours in turn */
	uint16_t half; /* ms of each; 0 for steady */
	uint8_t tones;
	uint16_t tone; /* ms */
} patterns[PATTERNS] = {
	{LAMP_BLUE, 0, 0, 0, 0},
	{LAMP_BLUE, 0, 250, 0, 0},
	{LAMP_GREEN, 0, 0, 1, 100},
	{LAMP_RED, 0, 0, 2, 200},
	{LAMP_RED | LAMP_GREEN, 0, 250, 1, 200},
	{LAMP_RED, LAMP_BLUE, 250, 3, 100},
	{LAMP_RED, 0, 0, 0, 0},
	{LAMP_RED, 0, 500, 0, 0},
};

void lamp_show(struct lamp *l, uint8_t pattern, uint32_t duration, uint32_t now)
{
	l->pattern = pattern < PATTERNS ? pattern : PATTERN_IDLE;
	l->since = now;
	l->sounding = patterns[l->pattern].tones > 0;
	l->ends = duration > 0;
	l->end = now + duration;
}

void lamp_tick(struct lamp *l, uint32_t now)
{
	uint32_t length = 2u * patterns[l->pattern].tones * patterns[l->pattern].tone;

	if (l->ends && (int32_t)(now - l->end) >= 0)
		lamp_show(l, PATTERN_IDLE, 0, now);
	if (l->sounding && now - l->since >= length)
		l->sounding = false; /* or it would sound again when the clock wraps */
}

uint8_t lamp_bits(const struct lamp *l, uint32_t now)
{
	uint32_t passed = now - l->since;
	uint8_t bits = patterns[l->pattern].first;

	if (patterns[l->pattern].half > 0 && passed / patterns[l->pattern].half % 2 == 1)
		bits = patterns[l->pattern].second;
	if (l->sounding && passed / patterns[l->pattern].tone % 2 == 0)
		bits |= LAMP_BUZZER;
	return bits;
}
