package commission

// Frames counts what passed on a line.
type Frames struct {
	Sent, Received uint64 // whole frames
	Garbled        uint64 // received and thrown away
	Resent         uint64 // sent more than once
	Unanswered     uint64 // requests without an answer
}

// clear is how much of a line's frames may go wrong: one in clear.
const clear = 100

// What is said of a line that is not clear.
const (
	badLine     = "more than one frame in 100 went wrong"
	badLineNext = "keep the cable away from motors and mains, shorten or shield it, check the ground and a bus's termination"
)

// since is what passed after before.
func (f Frames) since(before Frames) Frames {
	return Frames{
		Sent: f.Sent - before.Sent, Received: f.Received - before.Received, Garbled: f.Garbled - before.Garbled,
		Resent: f.Resent - before.Resent, Unanswered: f.Unanswered - before.Unanswered,
	}
}

// bad reports whether too much went wrong. One is forgiven: an answer that this
// computer was too busy to see in time looks the same.
func (f Frames) bad() bool {
	wrong := f.Garbled + f.Resent + f.Unanswered
	return wrong > 1 && wrong*clear > f.Received
}

// values is what passed, for the report.
func (f Frames) values() []Value {
	return []Value{count("frames sent", f.Sent), count("frames received", f.Received), count("frames garbled", f.Garbled),
		count("requests sent again", f.Resent), count("requests unanswered", f.Unanswered)}
}
