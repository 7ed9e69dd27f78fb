// Package daemon is the agent's program.
package daemon
