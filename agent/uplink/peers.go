package uplink

import "turnstile/central/link"

// filters are what a session subscribes to.
func (s *session) filters() []string {
	u := s.u
	list := []string{u.topics.Feed(), u.topics.Down(u.c.Identity.Lane)}
	if u.c.Peers != nil {
		list = append(list, u.c.Peers.Topics()...)
	}
	return list
}

func (s *session) connected(on bool) {
	if s.u.c.Peers != nil {
		s.u.c.Peers.Connected(on)
	}
}

// ofPeers reports whether a message is about other lanes' uses: it came on a
// topic of a zone, or answers the question for them.
func (s *session) ofPeers(m message) bool {
	u := s.u
	if u.c.Peers == nil {
		return false
	}
	return u.topics.IsZone(m.topic) || m.topic == u.topics.Repeat(u.c.Identity.Lane) && link.TypeOf(m.payload) == link.TypeUses
}

// askPeers asks for uses when the neighbours want some.
func (s *session) askPeers() error {
	if s.u.c.Peers == nil {
		return nil
	}
	a, due := s.u.c.Peers.Ask(s.u.c.Now())
	if !due {
		return nil
	}
	return s.publishAsk(a)
}
