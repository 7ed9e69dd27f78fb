/* The whole controller: line and wires on one side, rules on the other. */
#ifndef CONTROLLER_H
#define CONTROLLER_H

/* Begins; the hardware is ready and the relay off. */
void controller_start(void);

/* One turn of the main loop. */
void controller_step(void);

#endif
