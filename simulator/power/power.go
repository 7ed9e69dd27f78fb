// Package power cuts the power of a lane: the agent's own program on an emulated computer, on a disk that forgets what was not flushed.
//
// A lane controller scans single-entry passes. What the world outside saw of it (the
// gate's OPEN on the wire, an answer that shows that the entry before is durable) is
// kept in a ledger. After each cut the surviving disk is judged by it, with the
// agent's own packages, and the computer goes on with that disk. README.md says what
// is counted, how to run the long campaign and how to look at a state that failed.
package power
