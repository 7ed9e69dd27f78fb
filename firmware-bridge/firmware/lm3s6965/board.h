/* The parts of this board, for each other. README.md has the pins in one table. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* 8 MHz crystal, PLL at 200 MHz, divided by 4. */
enum { CLOCK_HZ = 50000000, TICKS_A_MS = CLOCK_HZ / 1000, TICKS_A_US = CLOCK_HZ / 1000000 };

/* Priorities, 0 first. What ends a relay is never masked: board_mask stops at PRIORITY_PINS. SysTick has that of the
 * pins, so that neither sees the other half done. */
enum {
	PRIORITY_RELAY = 0x00,
	PRIORITY_PINS = 0x20,
	PRIORITY_CARD_OUT = 0x40,
	PRIORITY_UART = 0x60,
};

/* Port D: outputs. */
enum {
	PIN_RELAY_IN = 1 << 0,
	PIN_RELAY_OUT = 1 << 1,
	PIN_RED = 1 << 2,
	PIN_GREEN = 1 << 3,
	PIN_BLUE = 1 << 4,
	PIN_BUZZER = 1 << 5,
	PIN_CARD_D0 = 1 << 6, /* open drain, low is a pulse */
	PIN_CARD_D1 = 1 << 7,
	PINS_RELAY = PIN_RELAY_IN | PIN_RELAY_OUT,
	PINS_LAMP = PIN_RED | PIN_GREEN | PIN_BLUE | PIN_BUZZER,
	PINS_CARD = PIN_CARD_D0 | PIN_CARD_D1,
};

/* Port B: inputs. */
enum {
	PIN_PASS_IN = 1 << 0, /* low while somebody has walked in */
	PIN_PASS_OUT = 1 << 1,
	PIN_CONTACT = 1 << 2, /* low while the lock is unlocked */
	PIN_FIRE = 1 << 3, /* high on alarm, and when the wire is cut */
	PIN_TAMPER = 1 << 4, /* high while the case is open, and when the wire is cut */
	PIN_POTENTIAL = 1 << 5, /* strap, read at power-up: low for a gate in potential mode */
	PINS_WATCHED = PIN_PASS_IN | PIN_PASS_OUT | PIN_CONTACT | PIN_FIRE | PIN_TAMPER,
	PINS_ACTIVE_LOW = PIN_PASS_IN | PIN_PASS_OUT | PIN_CONTACT,
	PINS_IN = PINS_WATCHED | PIN_POTENTIAL,
};

/* Port C: readers, D0 and D1 of one and of the other; low is a pulse. */
enum { PINS_READERS = 0xF0, READER_SHIFT = 4 };

/* Keeps interrupts that share data with the main loop out, and lets them in again. Not nested. */
static inline void board_mask(void)
{
	__asm volatile("msr basepri, %0" : : "r"(PRIORITY_PINS) : "memory");
}

static inline void board_unmask(void)
{
	__asm volatile("msr basepri, %0" : : "r"(0) : "memory");
}

void interrupt_enable(uint8_t irq, uint8_t priority);

/* Before there are variables. relay_start comes first of all; clock_stir takes what was in the memory at power-up, and
 * how long this takes, for hal_boot. */
void relay_start(void);
void clock_pll(void);
void clock_stir(void);

/* Each makes one part ready; watchdog_start comes last. */
void clock_start(void);
void pins_start(void);
void uart_start(void);
void wiegand_start(void);
void watchdog_start(void);

/* Drops the relay when it was on too long; called each millisecond. */
void relay_watch(void);
/* Drops the relay at once, from anywhere. */
void relay_drop(void);
/* Takes one sample of the inputs; called each millisecond. */
void pins_sample(void);
/* Looks whether a card is complete; called each millisecond. */
void wiegand_watch(void);
/* Tells whether a wire of the output is low. */
bool wiegand_pulsing(void);
/* Says that the main loop lives. */
void watchdog_kick(void);

/* Microseconds since power-up; wraps. Only from the interrupts of PRIORITY_PINS, or masked. */
uint32_t clock_us(void);

/* Interrupts. */
void clock_interrupt(void);
void relay_timer_interrupt(void);
void reader_interrupt(void);
void card_timer_interrupt(void);
void uart_interrupt(void);
void watchdog_interrupt(void);
void fault_interrupt(void);

#endif
