/* The core as a program of the building machine, for tests: commands on the standard input, one a line; what they cause
 * on the standard output, ended by a line with a dot. Numbers are decimal, bytes hexadecimal ("-" for none).
 *
 *   start BOOT INPUTS POTENTIAL TIME CAN power-up at TIME ms, with the capabilities CAN
 *   step TIME INPUTS IN OUT BYTES        time passes, people walk in and out, the line brings bytes; one turn of the loop
 *   card READER COUNT BYTES FAULTS       a reader has something; the next step takes it
 *   decode BYTES                         frames in a stream: "frame TYPE SEQ FITS BODY" or "bad"
 *   encode TYPE SEQ BODY                 "send BYTES"
 *   debounce RAW                         20 ms-filter, one sample: "stable BITS"
 *   edge CHANGED LOW US                  a reader's wires: nothing
 *   idle US                              "read COUNT BYTES FAULTS" when a row is over
 *   pulses COUNT BYTES                   a card going out: "pull WIRES US" for each step
 *   forget                               decode, debounce and edge start anew
 *
 * start and step say "send BYTES" and "out COUNT BYTES" as it happens, then "now RELAY LAMP". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "debounce.h"
#include "hal.h"
#include "lamp.h"
#include "message.h"
#include "rules.h"
#include "wiegand.h"

enum { LINE = 20000, BYTES = 8192 };

/* The make-believe chip. */
static struct {
	uint32_t now, boot, relay_end;
	bool potential;
	uint16_t can;
	uint8_t inputs, relay, lamp;
	uint8_t walks[3];
	uint8_t line[BYTES];
	size_t line_in, line_out;
	struct wiegand_read reads[RULES_READERS];
	bool has_read[RULES_READERS];
	uint64_t us, out_until; /* do not wrap */
} chip;

/* What decode, debounce and edge work on. */
static struct decoder decoder;
static struct debounce debounce;
static struct wiegand_in wires;

static void print_bytes(const char *what, const uint8_t *b, size_t n)
{
	printf("%s ", what);
	if (n == 0)
		printf("-");
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	printf("\n");
}

static size_t read_bytes(const char *text, uint8_t *b, size_t room)
{
	size_t n = 0;
	unsigned v;

	while (n < room && sscanf(text + 2 * n, "%2x", &v) == 1)
		b[n++] = (uint8_t)v;
	return n;
}

uint32_t hal_now(void)
{
	return chip.now;
}

uint32_t hal_boot(void)
{
	return chip.boot;
}

bool hal_potential(void)
{
	return chip.potential;
}

uint16_t hal_capabilities(void)
{
	return chip.can;
}

void hal_relay_on(uint8_t direction, uint16_t ms)
{
	chip.relay = direction;
	chip.relay_end = chip.now + ms;
}

void hal_relay_off(void)
{
	chip.relay = 0;
}

bool hal_relay(void)
{
	return chip.relay != 0;
}

void hal_lamp(uint8_t bits)
{
	chip.lamp = bits;
}

uint8_t hal_inputs(void)
{
	return chip.inputs;
}

uint8_t hal_walks(uint8_t direction)
{
	uint8_t n = chip.walks[direction];

	chip.walks[direction] = 0;
	return n;
}

int hal_receive(void)
{
	return chip.line_out < chip.line_in ? chip.line[chip.line_out++] : -1;
}

void hal_send(const uint8_t *b, uint8_t n)
{
	print_bytes("send", b, n);
}

bool hal_card_in(uint8_t reader, struct wiegand_read *read)
{
	bool has = chip.has_read[reader];

	*read = chip.reads[reader];
	chip.has_read[reader] = false;
	return has;
}

bool hal_card_out(const struct card *card)
{
	if (chip.us < chip.out_until)
		return false;
	chip.out_until = chip.us + (uint64_t)card->count * (WIEGAND_PULSE + WIEGAND_GAP) + WIEGAND_REST;
	printf("out %u ", card->count);
	print_bytes("", card->bits, (card->count + 7u) / 8);
	return true;
}

static void tell(void)
{
	printf("now %u %u\n", chip.relay, chip.lamp);
}

static void start(const char *line)
{
	unsigned boot, inputs, potential, now, can;

	if (sscanf(line, "start %u %u %u %u %u", &boot, &inputs, &potential, &now, &can) != 5)
		exit(2);
	memset(&chip, 0, sizeof chip);
	chip.boot = boot;
	chip.inputs = (uint8_t)inputs;
	chip.potential = potential;
	chip.can = (uint16_t)can;
	chip.now = now;
	controller_start();
	tell();
}

static void step(const char *line)
{
	unsigned now, inputs, in, out;
	int at;

	if (sscanf(line, "step %u %u %u %u %n", &now, &inputs, &in, &out, &at) != 4)
		exit(2);
	chip.us += (uint64_t)(now - chip.now) * 1000;
	chip.now = now;
	if (chip.relay && (int32_t)(now - chip.relay_end) >= 0)
		chip.relay = 0; /* the timer's interrupt */
	chip.inputs = (uint8_t)inputs;
	chip.walks[DIRECTION_IN] = (uint8_t)in;
	chip.walks[DIRECTION_OUT] = (uint8_t)out;
	chip.line_out = 0;
	chip.line_in = read_bytes(line + at, chip.line, sizeof chip.line);
	do
		controller_step();
	while (chip.line_out < chip.line_in);
	tell();
}

static void card(const char *line)
{
	unsigned reader, count, faults;
	char hex[2 * CARD_MAX_BYTES + 1];

	if (sscanf(line, "card %u %u %18s %u", &reader, &count, hex, &faults) != 4 || reader >= RULES_READERS)
		exit(2);
	chip.reads[reader] = (struct wiegand_read){.card.count = (uint8_t)count, .faults = (uint16_t)faults};
	read_bytes(hex, chip.reads[reader].card.bits, CARD_MAX_BYTES);
	chip.has_read[reader] = true;
}

static void decode(const char *line)
{
	uint8_t b[BYTES];
	size_t n = read_bytes(line + strlen("decode "), b, sizeof b);
	struct frame f;

	for (size_t i = 0; i < n; i++) {
		enum decoded d = decoder_feed(&decoder, b[i], &f);

		if (d == DECODED_BAD)
			printf("bad\n");
		if (d != DECODED_FRAME)
			continue;
		printf("frame %u %u %u", f.type, f.seq, message_fits(&f));
		print_bytes("", f.body, f.length);
	}
}

static void encode(const char *line)
{
	unsigned type, seq;
	int at;
	uint8_t body[FRAME_MAX_BODY], wire[FRAME_MAX_WIRE];

	if (sscanf(line, "encode %u %u %n", &type, &seq, &at) != 2)
		exit(2);
	size_t n = read_bytes(line + at, body, sizeof body);
	print_bytes("send", wire, frame_encode(wire, (uint8_t)type, (uint8_t)seq, body, (uint8_t)n));
}

static void sample(const char *line)
{
	debounce_sample(&debounce, (uint8_t)strtoul(line + strlen("debounce "), NULL, 10));
	printf("stable %u\n", debounce.stable);
}

static void edge(const char *line)
{
	unsigned changed, low, us;

	if (sscanf(line, "edge %u %u %u", &changed, &low, &us) != 3)
		exit(2);
	wiegand_edge(&wires, changed & 3, low & 3, us);
}

static void idle(const char *line)
{
	struct wiegand_read read;

	if (!wiegand_idle(&wires, (uint32_t)strtoul(line + strlen("idle "), NULL, 10), &read))
		return;
	printf("read %u %u", read.card.count, read.faults);
	print_bytes("", read.card.bits, (read.card.count + 7u) / 8);
}

static void pulses(const char *line)
{
	struct wiegand_out out;
	struct card card = {0};
	unsigned count;
	int at;
	uint8_t pull;
	uint16_t us;

	if (sscanf(line, "pulses %u %n", &count, &at) != 1)
		exit(2);
	card.count = (uint8_t)count;
	read_bytes(line + at, card.bits, CARD_MAX_BYTES);
	wiegand_begin(&out, &card);
	do {
		us = wiegand_step(&out, &pull);
		printf("pull %u %u\n", pull, us);
	} while (us != 0);
}

static void forget(const char *line)
{
	(void)line;
	memset(&decoder, 0, sizeof decoder);
	memset(&debounce, 0, sizeof debounce);
	memset(&wires, 0, sizeof wires);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(const char *line);
	} commands[] = {
		{"start ", start}, {"step ", step}, {"card ", card}, {"decode ", decode}, {"encode ", encode},
		{"debounce ", sample}, {"edge ", edge}, {"idle ", idle}, {"pulses ", pulses}, {"forget", forget},
	};
	static char line[LINE];

	while (fgets(line, sizeof line, stdin)) {
		for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
			if (strncmp(line, commands[i].name, strlen(commands[i].name)) == 0)
				commands[i].run(line);
		printf(".\n");
		fflush(stdout);
	}
	return 0;
}
