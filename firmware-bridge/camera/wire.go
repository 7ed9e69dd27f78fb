package camera

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrLink says that the link cannot be made where it was asked for.
var ErrLink = errors.New("cannot make the scanner's link")

// unread is how old lines get that nobody has read. The one who comes to read
// gets codes of people who stand there now.
const unread = time.Second

// wire is a pseudo-terminal whose near end plays a scanner's serial port.
type wire struct {
	link      string
	far, near *os.File // near is held so that far survives between two readers
	out, in   int      // their descriptors: os.File.Fd would make them block again
	said      time.Time
}

// newWire makes the pseudo-terminal and the link to it. A link that an earlier
// run left behind is replaced; anything else at its place is not. The reader's
// end belongs to group if that is not "".
func newWire(link, group string) (*wire, error) {
	far, near, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("make pseudo-terminal: %w", err)
	}
	w := &wire{link: link, far: far, near: near, out: int(far.Fd()), in: int(near.Fd())}
	if err := errors.Join(raw(w.in), unix.SetNonblock(w.out, true), give(near, group)); err != nil {
		return nil, errors.Join(fmt.Errorf("make pseudo-terminal: %w", err), w.drop())
	}
	if err := point(link, near.Name()); err != nil {
		return nil, errors.Join(err, w.drop())
	}
	return w, nil
}

// raw stops the terminal from echoing and translating what passes.
func raw(near int) error {
	t, err := unix.IoctlGetTermios(near, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(near, unix.TCSETS, t)
}

// give lets a group read the terminal.
func give(near *os.File, group string) error {
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("find group %q: %w", group, err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("find group %q: %w", group, err)
	}
	if err := near.Chown(-1, gid); err != nil {
		return fmt.Errorf("give it to group %q: %w: this user must be a member", group, err)
	}
	return near.Chmod(0o660)
}

// point makes link point to target, in one step for whoever follows it.
func point(link, target string) error {
	if st, err := os.Lstat(link); err == nil && st.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("%w: %s is there and is no link; remove it or choose another path", ErrLink, link)
	}
	fresh := link + ".new"
	_ = os.Remove(fresh) // of a run that was killed here
	if err := os.Symlink(target, fresh); err != nil {
		return fmt.Errorf("%w: %w: its folder must exist and belong to this user", ErrLink, err)
	}
	if err := os.Rename(fresh, link); err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("%w: %w", ErrLink, err)
	}
	return nil
}

// say writes one line and never waits: it is false when a reader has stopped
// reading and the line was dropped. What nobody read in time is thrown away
// first, else it would wait for the next reader.
func (w *wire) say(line string, now time.Time) bool {
	if now.Sub(w.said) >= unread {
		w.forget()
	}
	w.said = now
	n, err := unix.Write(w.out, []byte(line))
	if err != nil || n < len(line) {
		w.forget() // half a line is worse than none
		return false
	}
	return true
}

// forget throws away what nobody has read.
func (w *wire) forget() { _ = unix.IoctlSetInt(w.in, unix.TCFLSH, unix.TCIFLUSH) }

// Close removes the link, if it is still this one's, and hangs up.
func (w *wire) Close() error {
	var err error
	if target, _ := os.Readlink(w.link); target == w.near.Name() {
		err = os.Remove(w.link)
	}
	return errors.Join(err, w.drop())
}

// drop closes both ends.
func (w *wire) drop() error { return errors.Join(w.far.Close(), w.near.Close()) }
