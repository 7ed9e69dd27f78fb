/* What a chip must give the core. README.md, "Another chip", says how each is tested.
 *
 * All of these are called from the main loop only. */
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stdint.h>

#include "card.h"
#include "wiegand.h"

/* Inputs of hal_inputs: a bit is set while what it names is the case, debounced. */
enum {
	INPUT_FIRE = 1 << 0,
	INPUT_TAMPER = 1 << 1,
	INPUT_CONTACT = 1 << 2, /* the lock says unlocked */
};

/* Milliseconds since power-up; wraps. */
uint32_t hal_now(void);

/* A number that differs from one power-up or reset to the next; not 0. */
uint32_t hal_boot(void);

/* Tells a board strapped for a gate that is open as long as its input is active. */
bool hal_potential(void);

/* The CAN_ and HAS_ bits of this board. */
uint16_t hal_capabilities(void);

/* Drives the coil of one direction now. A timer interrupt drops it after ms, whatever the main loop does, and a second
 * one, of its own count, when it was on longer than this board ever allows. */
void hal_relay_on(uint8_t direction, uint16_t ms);

/* Drops both coils. */
void hal_relay_off(void);

/* Reads the pins of the coils back. */
bool hal_relay(void);

/* Sets LED and buzzer to the LAMP_ bits. */
void hal_lamp(uint8_t bits);

/* The INPUT_ bits. */
uint8_t hal_inputs(void);

/* How many people walked in that direction since the last call. */
uint8_t hal_walks(uint8_t direction);

/* The next byte of the line; -1 if there is none. */
int hal_receive(void);

/* Queues n bytes for the line, or none of them if there is no room for all: a frame that finds none is lost as on a
 * bad line, and whoever sent it repeats what matters. */
void hal_send(const uint8_t *b, uint8_t n);

/* Takes what a reader sent since the last call; false if that is nothing. */
bool hal_card_in(uint8_t reader, struct wiegand_read *read);

/* Starts to send a card; false while one is under way. */
bool hal_card_out(const struct card *card);

#endif
