// Package guest is how a test outside of an emulated computer acts inside of it: Service does what Client asks.
//
// The two speak net/rpc in JSON over a virtio port, so that the console stays
// what a person would read. Everything that is read is bounded.
package guest

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"time"
)

// Port is the name of the virtio port that the two speak over.
const Port = "turnstile.control"

// MaxOutput bounds what a program may print to Run and what Read returns, in bytes.
const MaxOutput = 8 << 20

// Command is a program to run.
type Command struct {
	Args []string // the first is its path
	Env  []string // beside PATH=/bin, HOME=/tmp and TMPDIR=/tmp
}

// Result is how a program ended.
type Result struct {
	Code   int // 128 + number when a signal ended it
	Output []byte
}

// Content is a file and what to write into it.
type Content struct {
	Path string
	Data []byte
}

// Mount is a file system and where to attach it.
type Mount struct {
	Device  string // such as /dev/vda
	Kind    string // such as ext4
	At      string // a folder, made if it is not there
	Options string // as of mount -o, those of the file system alone
}

// Signal is a signal and the process to send it to.
type Signal struct {
	PID    int
	Number int
}

// Client asks the Service of one guest. Its methods may be called from any
// goroutine; each ends with an error when the guest does.
type Client struct{ rpc *rpc.Client }

// NewClient speaks over c, which Close closes.
func NewClient(c io.ReadWriteCloser) *Client {
	return &Client{rpc.NewClientWithCodec(jsonrpc.NewClientCodec(c))}
}

// Close ends the connection, with an error for every call under way.
func (c *Client) Close() error { return c.rpc.Close() }

// ErrLate says that a guest did not answer in time.
var ErrLate = errors.New("the guest does not answer")

// patience is how long a call waits that should take no time at all. An emulated
// computer on a busy machine is slow.
const patience = 60 * time.Second

// call asks and waits no longer than limit.
func (c *Client) call(method string, arg, reply any, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	call := c.rpc.Go("Service."+method, arg, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if call.Error != nil {
			return fmt.Errorf("%s in guest: %w", method, call.Error)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s in guest: %w within %v", method, ErrLate, limit)
	}
}

// Up waits for the guest's first answer, no longer than limit.
func (c *Client) Up(limit time.Duration) error {
	var now time.Time
	return c.call("Now", struct{}{}, &now, limit)
}

// Run runs a program to its end, no longer than limit.
func (c *Client) Run(limit time.Duration, command Command) (r Result, err error) {
	err = c.call("Run", command, &r, limit)
	return r, err
}

// Start starts a program, whose output goes to the console, each line behind
// the program's name, and returns its process id.
func (c *Client) Start(command Command) (pid int, err error) {
	err = c.call("Start", command, &pid, patience)
	return pid, err
}

// Wait waits until a started program has ended, no longer than limit. Only its
// code is in the result.
func (c *Client) Wait(limit time.Duration, pid int) (r Result, err error) {
	err = c.call("Wait", pid, &r, limit)
	return r, err
}

// Kill sends a signal to a process.
func (c *Client) Kill(s Signal) error { return c.call("Kill", s, &struct{}{}, patience) }

// Read returns what is in a file, also in those of /proc and /sys.
func (c *Client) Read(path string) (b []byte, err error) {
	err = c.call("Read", path, &b, patience)
	return b, err
}

// Get returns what a server in the guest answers to a GET.
func (c *Client) Get(url string) (body []byte, err error) {
	err = c.call("Get", url, &body, patience)
	return body, err
}

// Write replaces a file's content, or writes to one of /sys; folders are made.
func (c *Client) Write(path string, data []byte) error {
	return c.call("Write", Content{path, data}, &struct{}{}, patience)
}

// List returns the paths that match a pattern, as filepath.Glob does.
func (c *Client) List(pattern string) (paths []string, err error) {
	err = c.call("List", pattern, &paths, patience)
	return paths, err
}

// Mount attaches a file system of a device, whose blocks are read anew.
func (c *Client) Mount(m Mount) error { return c.call("Mount", m, &struct{}{}, patience) }

// Sync writes everything that programs have written to the disks, and flushes them.
func (c *Client) Sync() error { return c.call("Sync", struct{}{}, &struct{}{}, patience) }

// SetClock sets the guest's clock.
func (c *Client) SetClock(to time.Time) error { return c.call("SetClock", to, &struct{}{}, patience) }

// Now returns the guest's clock.
func (c *Client) Now() (t time.Time, err error) {
	err = c.call("Now", struct{}{}, &t, patience)
	return t, err
}
