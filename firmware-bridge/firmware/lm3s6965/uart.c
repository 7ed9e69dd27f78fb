/* The line to the host: 115200 8N1 on PA0 (receive) and PA1 (transmit), a ring of bytes each way. */
#include "board.h"
#include "frame.h"
#include "hal.h"
#include "registers.h"

enum { RECEIVE_ROOM = 256, TRANSMIT_ROOM = 512, BAUD = 115200, PINS_UART = 3 };

static volatile uint8_t received[RECEIVE_ROOM]; /* or a byte could be read after its place was given back */
static volatile uint16_t received_in, received_out; /* ever; in is the interrupt's, out the main loop's */
static uint8_t waiting[TRANSMIT_ROOM];
static volatile uint16_t waiting_in, waiting_out; /* ever */

void uart_start(void)
{
	RCGC1 |= RCGC1_UART0;
	(void)RCGC1;
	GPIO_AFSEL(PORT_A) |= PINS_UART;
	GPIO_DEN(PORT_A) |= PINS_UART;
	UART_CTL = 0;
	UART_IBRD = CLOCK_HZ / (16 * BAUD);
	UART_FBRD = (CLOCK_HZ % (16 * BAUD) * 64 + 8 * BAUD) / (16 * BAUD);
	UART_LCRH = UART_LCRH_8N1_FIFO;
	UART_IM = UART_RX_TX_IDLE;
	UART_CTL = UART_CTL_ON;
	interrupt_enable(IRQ_UART0, PRIORITY_UART);
}

static void receive(void)
{
	while (!(UART_FR & UART_FR_RX_EMPTY)) {
		uint8_t c = (uint8_t)UART_DR;

		/* What finds no room is dropped: its frame has a bad checksum then. */
		if ((uint16_t)(received_in - received_out) < RECEIVE_ROOM)
			received[received_in++ % RECEIVE_ROOM] = c;
	}
}

/* Moves waiting bytes into the hardware's queue, from the interrupt or masked. */
static void transmit(void)
{
	while (waiting_out != waiting_in && !(UART_FR & UART_FR_TX_FULL))
		UART_DR = waiting[waiting_out++ % TRANSMIT_ROOM];
}

void uart_interrupt(void)
{
	UART_ICR = UART_RX_TX_IDLE;
	receive();
	transmit();
}

int hal_receive(void)
{
	if (received_in == received_out)
		return -1;
	return received[received_out++ % RECEIVE_ROOM];
}

void hal_send(const uint8_t *b, uint8_t n)
{
	board_mask();
	if ((uint16_t)(waiting_in - waiting_out) + n <= TRANSMIT_ROOM) {
		for (uint8_t i = 0; i < n; i++)
			waiting[waiting_in++ % TRANSMIT_ROOM] = b[i];
		transmit();
	}
	board_unmask();
}
