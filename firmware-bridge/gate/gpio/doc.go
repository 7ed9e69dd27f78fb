// Package gpio drives a gate through GPIO lines: relays that open it, contacts that report on it, lights and a buzzer.
//
// Contacts are read by periph.io's gpioioctl driver (the kernel's character
// device), and the code keeps clear of its faults, tried on real kernels: an
// endless wait returns at once, an error looks like a timeout or a low level,
// edges are lost without a sign, error numbers become plain text, and a line is
// unusable after any error until it is closed. Outputs, and contacts on a chip
// that periph lost or never saw, go through package gpioline, which says why.
//
// # Wiring
//
// A relay's line is active high, or active low with a "!" in front of its name;
// neither is ever at its other level for a moment, also not at a start.
// OpenDrain is for lines that work a gate's own inputs directly, which have
// their own pull-up: on pulls low, off lets go.
// Contacts close to ground (ActiveLow, the usual wiring) or to the supply; the
// line's own pull is switched on where the chip has one. A "!" in front of a
// contact's name turns its meaning round: it opens to say yes. Profiles turn
// those round that are such by their maker, see profile.go.
// Nothing here can release a gate in a fire: that is wired to the gate, and the
// contact Fire only observes it.
//
// # Levels at start, stop and crash
//
// Watched on the wires of a PL061 and of the kernel's simulated chip, Linux 6.1:
//
//   - Start: each output is off from the moment that it is requested, and at no
//     other level before. A relay that a crash left on goes off then.
//   - Run's end, which SIGTERM brings about in a program that ends Run's
//     context at it: a relay that is on goes off at once (within 21 ms of
//     the signal on an emulated computer), and lights and buzzer with it. What
//     the wire does after the lines are given back is the chip's business: the
//     PL061 leaves it where it is, the simulated chip lets it fall to its pull,
//     so an active-low relay needs a pull-up of its own.
//   - SIGKILL, a crash, or SIGTERM without a handler: the kernel takes the lines
//     back and drives nothing. The PL061 kept the relay on until the next start;
//     the simulated chip fell back to its pull. Let the supervisor start the
//     program again at once, and use a gate in pulse mode, for which a relay that
//     stays on is one opening, or a timer relay. ProfilePercoPotential holds its
//     relay as long as the window lasts: after a crash plain GPIO cannot promise
//     that the gate shuts before the next start.
//   - A chip that vanishes (a USB module): no level can be set any more, Lost is
//     reported, and neither a passage nor a fire. When it is back, under
//     whatever number, its lines are found by their names and claimed again, the
//     relays off. Name the lines of such a chip by name: numbers move.
//
// The driver has no memory: after a start every grant number counts as new.
package gpio
