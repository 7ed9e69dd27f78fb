/* From reset to main: vectors, memory, and the two functions that the compiler calls on its own. */
#include <stddef.h>

#include "board.h"
#include "registers.h"

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void reset(void);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int value, size_t n)
{
	uint8_t *t = to;

	while (n-- > 0)
		*t++ = (uint8_t)value;
	return to;
}

void reset(void)
{
	relay_start();
	clock_pll();
	clock_stir();
	memcpy(data_start, data_load, (size_t)((uint8_t *)data_end - (uint8_t *)data_start));
	memset(bss_start, 0, (size_t)((uint8_t *)bss_end - (uint8_t *)bss_start));
	main();
}

typedef void (*handler)(void);

/* Sixteen of the core, then those of the chip. An interrupt that nobody asked for is a fault. */
struct vectors {
	uint32_t *stack;
	handler core[15];
	handler irq[IRQS];
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
	.stack = stack_top,
	.core = {
		[0] = reset,
		[1 ... 13] = fault_interrupt,
		[14] = clock_interrupt,
	},
	.irq = {
		[0 ... IRQ_PORT_C - 1] = fault_interrupt,
		[IRQ_PORT_C] = reader_interrupt,
		[IRQ_PORT_C + 1 ... IRQ_UART0 - 1] = fault_interrupt,
		[IRQ_UART0] = uart_interrupt,
		[IRQ_UART0 + 1 ... IRQ_WATCHDOG - 1] = fault_interrupt,
		[IRQ_WATCHDOG] = watchdog_interrupt,
		[IRQ_TIMER0] = relay_timer_interrupt,
		[IRQ_TIMER0 + 1] = fault_interrupt,
		[IRQ_TIMER1] = card_timer_interrupt,
		[IRQ_TIMER1 + 1 ... IRQS - 1] = fault_interrupt,
	},
};
