// Package modbus drives a gate through a relay and input board on a Modbus RTU line.
//
// Frames and checksums are github.com/grid-x/modbus'; the line is a
// serialport.Port, not the port which that library would open by itself. There
// is one master on a line and one gate on a board: give each board an adapter of
// its own.
//
// # Wiring and settings of the board
//
// Relays are coils, counted from 1 as on the boards (relay 1 is address 0, or
// Config.FirstRelay). Inputs are counted alike, in the table that Config.Inputs
// names; a "!" in front of a number turns its meaning round. Switch off the
// board's own linking of inputs to relays (Waveshare's "linkage mode", the
// default of its boards with inputs): else a contact opens the gate. Switch off
// the RS-485 adapter's local echo: with it nothing is believed and the gate stays
// Lost. The line is always 8 data bits, no parity, 1 stop bit.
//
// # When this computer dies
//
// A board without a timer keeps its relay on if this computer is killed within
// a pulse, until the program is started again: relays are switched off first
// thing. State().Device says so. With Config.Timer "flash" the board itself
// drops the relay: a write of function 5 to address 0x0200 plus the relay, its
// value counting 100 ms, as in the maker's examples 01 05 02 00 00 07 8D B0 (700
// ms) and 01 05 02 01 00 08 9C 74 (https://www.waveshare.com/wiki/Modbus_RTU_Relay,
// "Flash ON"). Pulses are then rounded up to 100 ms. Boards whose timer counts
// seconds cannot make a gate's pulse and are not driven by it.
//
// # Pulses that a poll can miss
//
// The board is asked for its inputs again and again; a contact counts after two
// looks that are 20 ms apart or more, so a pulse of 100 ms needs two looks
// within it. One look is 14 characters, two silences of 3.5 characters (1.75 ms
// above 19200 baud) and the board's time to answer; a lost one takes as long as
// one answered after Config.Answer (50 ms):
//
//	baud     look, answered in 5 ms   in 20 ms   after a lost one, two looks
//	9600            26.9 ms            41.9 ms        126 ms, 156 ms
//	19200           15.9 ms            30.9 ms         93 ms, 123 ms
//	38400           12.1 ms            27.1 ms         81 ms, 111 ms
//	115200           9.7 ms            24.7 ms         74 ms, 104 ms
//
// 20 ms are what an FTDI adapter with its default latency of 16 ms makes of a
// quick board: set its latency_timer to 1. So 9600 baud reads every pulse of 100
// ms while no frame is lost, and from 19200 on, with a quick adapter, also when
// one is. Config.Check refuses slower lines. Counts says how long looks really
// take and how many frames were lost. Boards that count or latch inputs are
// polled all the same: no two makers have their registers alike.
package modbus
