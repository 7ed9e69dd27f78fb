/* The registers of the LM3S6965 that are used here; names and numbers are those of its data sheet. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Peripherals. */
#define WATCHDOG 0x40000000u
#define PORT_A 0x40004000u
#define PORT_B 0x40005000u
#define PORT_C 0x40006000u
#define PORT_D 0x40007000u
#define UART0 0x4000C000u
#define TIMER0 0x40030000u
#define TIMER1 0x40031000u
#define SYSCTL 0x400FE000u

/* System control. */
#define PBORCTL REG(SYSCTL + 0x030)
#define PBORCTL_RESET (1u << 1)
#define RIS REG(SYSCTL + 0x050)
#define RIS_PLL (1u << 6)
#define RCC REG(SYSCTL + 0x060)
#define RCGC0 REG(SYSCTL + 0x100)
#define RCGC0_WATCHDOG (1u << 3)
#define RCGC1 REG(SYSCTL + 0x104)
#define RCGC1_UART0 (1u << 0)
#define RCGC1_TIMER0 (1u << 16)
#define RCGC1_TIMER1 (1u << 17)
#define RCGC2 REG(SYSCTL + 0x108)
#define RCGC2_PORTS_A_TO_D 0xFu

/* A port's pins in mask, and no others: written and read as one access. */
#define GPIO_DATA(port, mask) REG((port) + ((uint32_t)(mask) << 2))
#define GPIO_DIR(port) REG((port) + 0x400)
#define GPIO_IS(port) REG((port) + 0x404)
#define GPIO_IBE(port) REG((port) + 0x408)
#define GPIO_IM(port) REG((port) + 0x410)
#define GPIO_MIS(port) REG((port) + 0x418)
#define GPIO_ICR(port) REG((port) + 0x41C)
#define GPIO_AFSEL(port) REG((port) + 0x420)
#define GPIO_ODR(port) REG((port) + 0x50C)
#define GPIO_PUR(port) REG((port) + 0x510)
#define GPIO_DEN(port) REG((port) + 0x51C)

/* UART. */
#define UART_DR REG(UART0 + 0x000)
#define UART_FR REG(UART0 + 0x018)
#define UART_FR_RX_EMPTY (1u << 4)
#define UART_FR_TX_FULL (1u << 5)
#define UART_IBRD REG(UART0 + 0x024)
#define UART_FBRD REG(UART0 + 0x028)
#define UART_LCRH REG(UART0 + 0x02C)
#define UART_LCRH_8N1_FIFO 0x70u
#define UART_CTL REG(UART0 + 0x030)
#define UART_CTL_ON 0x301u
#define UART_IM REG(UART0 + 0x038)
#define UART_ICR REG(UART0 + 0x044)
#define UART_RX_TX_IDLE 0x70u /* interrupts: receive, transmit, receive time-out */

/* Timers, as one of 32 bits. */
#define TIMER_CFG(timer) REG((timer) + 0x00)
#define TIMER_TAMR(timer) REG((timer) + 0x04)
#define TIMER_ONE_SHOT 1u
#define TIMER_CTL(timer) REG((timer) + 0x0C)
#define TIMER_IMR(timer) REG((timer) + 0x18)
#define TIMER_ICR(timer) REG((timer) + 0x24)
#define TIMER_TAILR(timer) REG((timer) + 0x28)
#define TIMER_OVER 1u

/* Watchdog. */
#define WATCHDOG_LOAD REG(WATCHDOG + 0x000)
#define WATCHDOG_CTL REG(WATCHDOG + 0x008)
#define WATCHDOG_INTERRUPT_AND_RESET 3u
#define WATCHDOG_ICR REG(WATCHDOG + 0x00C)
#define WATCHDOG_LOCK REG(WATCHDOG + 0xC00)
#define WATCHDOG_KEY 0x1ACCE551u

/* Cortex-M3. */
#define SYSTICK_CTRL REG(0xE000E010)
#define SYSTICK_ON 5u /* core clock, no interrupt */
#define SYSTICK_ON_INTERRUPT 7u
#define SYSTICK_LOAD REG(0xE000E014)
#define SYSTICK_VAL REG(0xE000E018)
#define NVIC_ENABLE REG(0xE000E100)
#define NVIC_DISABLE REG(0xE000E180)
#define NVIC_PRIORITY(irq) (*(volatile uint8_t *)(uintptr_t)(0xE000E400 + (irq)))
#define AIRCR REG(0xE000ED0C)
#define AIRCR_RESET 0x05FA0004u
#define ICSR REG(0xE000ED04)
#define ICSR_SYSTICK_PENDING (1u << 26)
#define SYSTICK_PRIORITY (*(volatile uint8_t *)(uintptr_t)0xE000ED23)

/* Interrupt numbers. */
enum {
	IRQ_PORT_C = 2,
	IRQ_UART0 = 5,
	IRQ_WATCHDOG = 18,
	IRQ_TIMER0 = 19,
	IRQ_TIMER1 = 21,
	IRQS = 44,
};

#endif
