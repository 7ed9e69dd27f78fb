package device

import (
	"time"

	"turnstile/firmware-bridge/gate"
)

// debounce is FORMAT.md's: a contact that closes again sooner has not opened.
const debounce = 20 * time.Millisecond

// chatter is when a worn contact closes behind the begin of a rotation: the first
// is the rotation, the second is debounced, the third counts as one more person.
var chatter = [...]time.Duration{0, 7 * time.Millisecond, 45 * time.Millisecond}

// closure is one time that the contact closes, and is not debounced.
type closure struct {
	at        time.Time
	direction gate.Direction
}

// sensor is the contact that closes once a rotation. Owned by the controller's Run.
type sensor struct {
	bounces   bool
	backwards bool
	coming    []closure
}

// rotate turns the gate once at now.
func (s *sensor) rotate(d gate.Direction, now time.Time) {
	if s.backwards {
		d = gate.In + gate.Out - d
	}
	times := chatter[:1]
	if s.bounces {
		times = chatter[:]
	}
	counted := -debounce
	for _, t := range times {
		if t-counted >= debounce {
			counted = t
			s.coming = append(s.coming, closure{now.Add(t), d})
		}
	}
}

// due returns the rotations that the contact has told of by now.
func (s *sensor) due(now time.Time) (list []gate.Direction) {
	left := s.coming[:0]
	for _, c := range s.coming {
		if now.Before(c.at) {
			left = append(left, c)
			continue
		}
		list = append(list, c.direction)
	}
	s.coming = left
	return list
}
