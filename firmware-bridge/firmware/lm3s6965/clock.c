/* Time: SysTick at 1 kHz, and the number of this power-up. */
#include "board.h"
#include "hal.h"
#include "registers.h"

/* PLL from the 8 MHz crystal, divided by 4; main oscillator on. */
enum {
	RCC_NO_CRYSTAL = 1 << 0,
	RCC_BYPASS = 1 << 11,
	RCC_USE_DIVIDER = 1 << 22,
	RCC_50_MHZ = 3 << 23 | RCC_USE_DIVIDER | 0xE << 6,
	CRYSTAL_START = 50000, /* turns of a loop of some 10 cycles: 25 ms even on a fast internal oscillator, for a cold crystal */
	PATIENCE = 1000000, /* turns of a loop; the PLL locks within 0.5 ms */
	RAM_START = 0x20000000,
	RAM_WORDS = 0x10000 / 4,
};

static volatile uint32_t ms;
static uint32_t boot __attribute__((section(".noinit"))); /* survives a reset, not a power cut */

void clock_pll(void)
{
	RCC = (RCC | RCC_BYPASS) & ~(uint32_t)RCC_USE_DIVIDER;
	RCC &= ~(uint32_t)RCC_NO_CRYSTAL;
	for (volatile uint32_t i = 0; i < CRYSTAL_START; i++) {
	} /* still on the internal oscillator: a core that is put on a dead crystal stands still, if with the relay off */
	RCC = RCC_BYPASS | RCC_50_MHZ;
	for (uint32_t i = 0; i < PATIENCE && !(RIS & RIS_PLL); i++) {
	}
	if (!(RIS & RIS_PLL))
		AIRCR = AIRCR_RESET; /* a second of the spare clock is no second: better closed than open for too long */
	RCC = RCC_50_MHZ;
}

static uint32_t mix(uint32_t h, uint32_t v)
{
	h = (h ^ v) * 0x9E3779B1u;
	return h ^ h >> 15;
}

/* Cells of a static memory come up at random, and the last boot's number is among them. What an emulator leaves at zero
 * is made up for by the time that it takes to read. */
void clock_stir(void)
{
	uint32_t h = boot;

	SYSTICK_LOAD = 0xFFFFFF;
	SYSTICK_VAL = 0;
	SYSTICK_CTRL = SYSTICK_ON;
	for (uint32_t i = 0; i < PATIENCE && SYSTICK_VAL == 0; i++) {
	} /* it reloads at its first tick, which an emulator may be late with */
	for (uint32_t i = 0; i < RAM_WORDS; i++) {
		h = mix(h, REG(RAM_START + 4 * i));
		if (i % 512 == 0)
			h = mix(h, SYSTICK_VAL);
	}
	SYSTICK_CTRL = 0;
	boot = h != 0 ? h : 1;
}

void clock_start(void)
{
	SYSTICK_PRIORITY = PRIORITY_PINS;
	SYSTICK_LOAD = TICKS_A_MS - 1;
	SYSTICK_VAL = 0;
	SYSTICK_CTRL = SYSTICK_ON_INTERRUPT;
}

void clock_interrupt(void)
{
	ms++;
	relay_watch();
	pins_sample();
	wiegand_watch();
}

uint32_t hal_now(void)
{
	return ms;
}

uint32_t hal_boot(void)
{
	return boot;
}

uint32_t clock_us(void)
{
	uint32_t val = SYSTICK_VAL;
	uint32_t whole = ms;

	/* SysTick has come round and waits for whoever asks: one more millisecond is over. */
	if (ICSR & ICSR_SYSTICK_PENDING && val > TICKS_A_MS / 2)
		whole++;
	return whole * 1000 + (TICKS_A_MS - 1 - val) / TICKS_A_US;
}
